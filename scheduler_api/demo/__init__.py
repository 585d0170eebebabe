"""The demo: a simulated Exchange, the service, and the four calls as Salesforce makes them."""
