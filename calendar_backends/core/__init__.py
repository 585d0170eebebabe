"""The domain: busy-time algebra, Appointments, errors, deadlines. Standard library only, no I/O."""
