from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orgs.models import Client, Org, Person
from orgs.provisioning import ProvisioningError, provision
from scheduler_api.models import Event

FABRIKAM = """
[[org]]
slug = "fabrikam"
name = "Fabrikam"
backend = "paper"
on_unknown = "block"
[org.options]
endpoint = "https://paper.example/"
username = "service@fabrikam.example"
password = { env = "FABRIKAM_PASSWORD" }
[[org.user]]
email = "admin@fabrikam.example"
salesforce_user_id = "005000000000001AAA"
rights = ["updateOrganization"]
[[org.client]]
client_id = "salesforce-fabrikam"
client_secret = { file = "secret.txt" }
acts_as = "Admin@fabrikam.example"
"""
CONTOSO = """
[[org]]
slug = "contoso"
name = "Contoso"
backend = "other"
options = { token = "t" }
"""
Provision = Callable[..., list[str]]


@pytest.fixture
def tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> Path:
    monkeypatch.setenv("FABRIKAM_PASSWORD", "sesame")
    (tmp_path / "secret.txt").write_text("secret of the client\n")
    path = tmp_path / "tenants.toml"
    path.write_text(FABRIKAM)
    return path


@pytest.fixture
def run(tenants: Path) -> Provision:
    """Provision the text and answer the changes as they are printed."""

    def run(text: str, **flags: bool) -> list[str]:
        tenants.write_text(text)
        return [str(change) for change in provision(tenants, **flags)]

    return run


def problems(run: Provision, text: str) -> list[str]:
    with pytest.raises(ProvisioningError) as refusal:
        run(text)
    return refusal.value.problems


def edited(*replacements: tuple[str, str]) -> str:
    text = FABRIKAM
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return text


def test_the_file_becomes_an_org_a_user_and_a_client(run: Provision) -> None:
    run(FABRIKAM)
    org = Org.objects.get()
    assert (org.slug, org.name, org.backend, org.on_unknown) == ("fabrikam", "Fabrikam", "paper", "block")
    assert org.options == {
        "endpoint": "https://paper.example/",
        "auth_type": "basic",
        "username": "service@fabrikam.example",
        "password": "sesame",
        "ca_bundle": "",
    }
    person = Person.objects.get(org=org, email="admin@fabrikam.example")
    assert (person.salesforce_user_id, person.rights) == ("005000000000001AAA", ["updateOrganization"])
    client = Client.objects.get(client_id="salesforce-fabrikam", acts_as=person)
    assert client.has_secret("secret of the client")


def test_a_second_run_has_nothing_to_do(run: Provision) -> None:
    run(FABRIKAM)
    secret = Client.objects.get().client_secret
    assert run(FABRIKAM) == []
    assert run(FABRIKAM, prune=True) == []
    assert Client.objects.get().client_secret == secret


def test_a_dry_run_says_the_same_and_changes_nothing(run: Provision) -> None:
    said = run(FABRIKAM, dry_run=True)
    assert not Org.objects.exists()
    assert run(FABRIKAM) == said
    assert [line.partition("\n")[0] for line in said] == [
        'created org "fabrikam"',
        'created user "admin@fabrikam.example" of "fabrikam"',
        'created client "salesforce-fabrikam" of "fabrikam"',
    ]


def test_a_change_names_the_field_and_both_values(run: Provision) -> None:
    run(FABRIKAM)
    said = run(edited(('name = "Fabrikam"', 'name = "Fabrikam Ltd"\nread_deadline = 6'), ('["up', "[] #")))
    assert said == [
        'changed org "fabrikam"\n    name: "Fabrikam" -> "Fabrikam Ltd"\n    read_deadline: 8.0 -> 6',
        'changed user "admin@fabrikam.example" of "fabrikam"\n    rights: ["updateOrganization"] -> []',
    ]


def test_an_org_says_what_its_appointments_are_like(run: Provision) -> None:
    choice = 'html_body = true\noptional_show_as = "tentative"\nreminder_minutes = 30'
    run(edited(('"block"', f'"block"\n{choice}')))
    org = Org.objects.get()
    assert (org.html_body, org.optional_show_as, org.reminder_minutes) == (True, "tentative", 30)


def test_false_is_no_reminder_and_leaving_it_out_changes_none(run: Provision) -> None:
    assert Org(slug="fabrikam").reminder_minutes == 15
    without = edited(('"block"', '"block"\nreminder_minutes = false'))
    run(without)
    assert Org.objects.get().reminder_minutes is None
    assert run(without) == run(FABRIKAM) == []
    assert Org.objects.get().reminder_minutes is None
    run(edited(('"block"', '"block"\nreminder_minutes = 0')))
    assert Org.objects.get().reminder_minutes == 0


def test_a_change_never_tells_a_secret(
    run: Provision, tenants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run(FABRIKAM)
    monkeypatch.setenv("FABRIKAM_PASSWORD", "open")
    (tenants.parent / "secret.txt").write_text("another secret")
    again = run(FABRIKAM)
    assert "options.password: changed" in again[0]
    assert "client_secret: changed" in again[1]
    assert not any(secret in "".join(said + again) for secret in ["sesame", '"open"', "secret of", "another"])
    assert Client.objects.get().has_secret("another secret")
    assert Org.objects.get().options["password"] == "open"


def test_what_the_file_leaves_out_is_left_alone(run: Provision) -> None:
    run(edited(('on_unknown = "block"', 'on_unknown = "free"\nactive = false')))
    short = '[[org]]\nslug = "fabrikam"\n[[org.user]]\nemail = "ADMIN@fabrikam.example"\n'
    assert run(short) == [
        'changed user "ADMIN@fabrikam.example" of "fabrikam"\n'
        '    email: "admin@fabrikam.example" -> "ADMIN@fabrikam.example"'
    ]
    org = Org.objects.get()
    assert (org.on_unknown, org.active, org.options["password"]) == ("free", False, "sesame")
    assert Person.objects.get().salesforce_user_id == "005000000000001AAA"


def test_an_option_that_is_left_out_is_left_alone(run: Provision) -> None:
    run(FABRIKAM)
    run(edited(('password = { env = "FABRIKAM_PASSWORD" }', 'auth_type = "ntlm"')))
    options = Org.objects.get().options
    assert (options["auth_type"], options["password"]) == ("ntlm", "sesame")


def test_options_that_are_left_out_are_not_judged(run: Provision) -> None:
    run(FABRIKAM)
    Org.objects.update(options={"endpoint": "of an older driver"})
    assert run('[[org]]\nslug = "fabrikam"\n') == []


def test_another_driver_takes_none_of_the_old_options(run: Provision) -> None:
    run(FABRIKAM)
    before = Org.objects.get().connection
    text = '[[org]]\nslug = "fabrikam"\nbackend = "other"\noptions = { token = "t" }\n'
    assert run(text) == ['changed org "fabrikam"\n    backend: "paper" -> "other"\n    options.token: set']
    assert Org.objects.get().options == {"token": "t", "private_key": ""}
    assert Org.objects.get().previous == before
    assert "options.endpoint" in "".join(problems(run, '[[org]]\nslug = "fabrikam"\nbackend = "paper"\n'))


@pytest.mark.parametrize("table", ["[[org.user]]", "[[org.client]]", "[[org]]"])
def test_active_false_disables(run: Provision, table: str) -> None:
    run(FABRIKAM)
    run(edited((table, f"{table}\nactive = false")))
    active = {
        "[[org]]": Org.objects.get().active,
        "[[org.user]]": Person.objects.get().active,
        "[[org.client]]": Client.objects.get().active,
    }
    assert active == {name: name != table for name in active}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('slug = "fabrikam"', "", "org[0] . slug: it is missing."),
        ('slug = "fabrikam"', 'slug = "api"', 'org[0] "api" . slug: "api" is taken'),
        (
            "on_unknown",
            "on_unknwon",
            'org[0] "fabrikam" . on_unknwon: it is not known; did you mean on_unknown?',
        ),
        ("rights", "right", 'org[0] "fabrikam" . user[0] "admin@fabrikam.example" . right: it is not known;'),
        ("[[org]]", "[[orgs]]", "the file . orgs: it is not known; did you mean org?"),
        (
            "username",
            "user_name",
            'org[0] "fabrikam" . options.user_name: it is not known; did you mean username?',
        ),
        ("https://paper", "paper//", 'org[0] "fabrikam" . options.endpoint: Enter a valid URL.'),
        (
            '"service@fabrikam.example"',
            '"sesame"',
            'org[0] "fabrikam" . options.password: Not the user name.',
        ),
        ('"service@fabrikam.example"', "[1]", 'org[0] "fabrikam" . options.username: a string, number or'),
        ('"paper"', '"pigeon"', 'org[0] "fabrikam" . backend: No calendar backend is called "pigeon".'),
        ('"Fabrikam"', "5", 'org[0] "fabrikam" . name: a string is expected.'),
        ('"block"', '"block"\nread_deadline = 30', 'org[0] "fabrikam" . read_deadline: Ensure this value is'),
        (
            '"block"',
            '"block"\nread_deadline = true',
            'org[0] "fabrikam" . read_deadline: a number is expected.',
        ),
        (
            '"block"',
            '"block"\nhtml_body = "yes"',
            'org[0] "fabrikam" . html_body: a boolean is expected.',
        ),
        (
            '"block"',
            '"block"\noptional_show_as = "oof"',
            "org[0] \"fabrikam\" . optional_show_as: Value 'oof' is not a valid choice.",
        ),
        (
            '"block"',
            '"block"\nreminder_minutes = true',
            'org[0] "fabrikam" . reminder_minutes: a whole number or false is expected.',
        ),
        (
            '"block"',
            '"block"\nreminder_minutes = 1.5',
            'org[0] "fabrikam" . reminder_minutes: a whole number or false is expected.',
        ),
        (
            '"block"',
            '"block"\nreminder_minutes = 20161',
            'org[0] "fabrikam" . reminder_minutes: Ensure this value is less than or equal to 20160.',
        ),
        ('"updateOrganization"', '"fly"', '. user[0] "admin@fabrikam.example" . rights: "fly" is not one of'),
        ("[[org.user]]", "[org.user]", 'org[0] "fabrikam" . user: write it as an array of tables'),
        ("FABRIKAM_PASSWORD", "UNSET_PASSWORD", "the environment variable UNSET_PASSWORD is not set."),
        ("secret.txt", "no.txt", 'client[0] "salesforce-fabrikam" . client_secret:'),
        ("client_secret = {", "# {", "client_secret: a new client needs one."),
        ("acts_as =", "# ", "acts_as: a new client needs one."),
        ("Admin@", "nobody@", 'acts_as: the org has no user "nobody@fabrikam.example".'),
    ],
)
def test_a_mistake_is_named_with_its_place(run: Provision, old: str, new: str, problem: str) -> None:
    found = problems(run, edited((old, new)))
    assert any(problem in line for line in found), found
    assert not Org.objects.exists()


def test_several_mistakes_are_reported_at_once(run: Provision) -> None:
    text = edited(("005000000000001AAA", "005"), ("FABRIKAM_PASSWORD", "UNSET"), ("on_unknown", "unknown"))
    assert len(problems(run, text)) == 3


def test_one_mistake_is_reported_once(run: Provision) -> None:
    assert len(problems(run, edited(("FABRIKAM_PASSWORD", "UNSET")))) == 1
    assert len(problems(run, edited(("secret.txt", "no.txt")))) == 1
    assert len(problems(run, edited(('"salesforce-fabrikam"', '{ env = "UNSET" }')))) == 1
    assert len(problems(run, edited(('"paper"', '"pigeon"')))) == 1
    assert (
        len(
            problems(
                run, edited(('"admin@fabrikam.example"', '"admin"'), ("Admin@fabrikam.example", "admin"))
            )
        )
        == 1
    )


def test_a_name_that_stands_there_twice_is_refused(run: Provision) -> None:
    again = FABRIKAM + '[[org.user]]\nemail = "ADMIN@fabrikam.example"\n'
    assert problems(run, again)[0].endswith(
        '. email: it stands in org[0] "fabrikam" . user[0] "admin@fabrikam.example" already.'
    )
    assert any(". slug: it stands in" in line for line in problems(run, FABRIKAM + FABRIKAM))


def test_a_client_of_another_org_is_not_taken_over(run: Provision) -> None:
    run(FABRIKAM)
    text = CONTOSO + '[[org.client]]\nclient_id = "salesforce-fabrikam"\nacts_as = "x@contoso.example"\n'
    (problem,) = problems(run, text)
    assert problem.endswith(". client_id: another org has a client of this id.")


@pytest.mark.parametrize("content", ["[[org", b"\xff"])
def test_what_is_no_toml_is_refused(tenants: Path, content: str | bytes) -> None:
    tenants.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ProvisioningError, match=r"tenants\.toml is not"):
        provision(tenants)


def test_without_prune_nobody_is_removed(run: Provision) -> None:
    run(FABRIKAM)
    run(CONTOSO)
    assert (Org.objects.count(), Person.objects.count(), Client.objects.count()) == (2, 1, 1)


def test_prune_removes_whom_the_file_does_not_name(run: Provision) -> None:
    run(FABRIKAM)
    assert run('[[org]]\nslug = "fabrikam"\n', prune=True) == [
        'removed client "salesforce-fabrikam" of "fabrikam"',
        'removed user "admin@fabrikam.example" of "fabrikam"',
    ]
    run(FABRIKAM)
    assert run(CONTOSO, prune=True)[1:] == ['removed org "fabrikam"']
    assert not Person.objects.exists()


def test_prune_keeps_the_clients_of_issued_tokens_with_their_person(run: Provision) -> None:
    run(FABRIKAM)
    call_command("issue_token", "fabrikam", "admin@fabrikam.example", stdout=StringIO())
    assert run(FABRIKAM, prune=True) == []
    run('[[org]]\nslug = "fabrikam"\n', prune=True)
    assert not Client.objects.exists()


def test_prune_keeps_a_user_whom_a_client_of_the_file_acts_as(run: Provision) -> None:
    run(FABRIKAM)
    text = '[[org]]\nslug = "fabrikam"\n[[org.client]]\nclient_id = "salesforce-fabrikam"\n'
    assert run(text, prune=True) == []


def test_prune_disables_an_org_that_the_ledger_refers_to(run: Provision) -> None:
    run(FABRIKAM)
    Event.objects.create(org=Org.objects.get(), salesforce_id="00U1")
    (said,) = run(CONTOSO, prune=True)[1:]
    assert said.startswith('disabled org "fabrikam"')
    assert not Org.objects.get(slug="fabrikam").active
    assert Client.objects.exists()
    assert run(CONTOSO, prune=True) == []


OWN = """
[org.user.options]
username = "admin@fabrikam.example"
password = { env = "ADMIN_PASSWORD" }
"""


def with_own(own: str = OWN) -> str:
    """The file, with options of the user's own."""
    return edited(("[[org.client]]", f"{own}[[org.client]]"))


@pytest.fixture
def own_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "own sesame")


@pytest.mark.usefixtures("own_password")
def test_a_user_may_have_options_of_its_own(run: Provision) -> None:
    said = run(with_own())
    assert Person.objects.get().options == {"username": "admin@fabrikam.example", "password": "own sesame"}
    assert said[1].endswith('options.username: "admin@fabrikam.example"\n    options.password: set')
    assert run(with_own()) == []
    assert run(FABRIKAM) == []


@pytest.mark.usefixtures("own_password")
def test_a_change_of_own_options_never_tells_a_secret(
    run: Provision, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(with_own())
    monkeypatch.setenv("ADMIN_PASSWORD", "open")
    assert run(with_own()) == [
        'changed user "admin@fabrikam.example" of "fabrikam"\n    options.password: changed'
    ]
    assert Person.objects.get().options["password"] == "open"


@pytest.mark.usefixtures("own_password")
def test_own_options_are_given_up_by_empty_ones(run: Provision) -> None:
    run(with_own())
    (said,) = run(with_own('[org.user.options]\nusername = ""\npassword = ""\n'))
    assert said.endswith("\n    options.username: removed\n    options.password: removed")
    assert Person.objects.get().options == {}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("username", "usrname", "options.usrname: it is not known; did you mean username?"),
        ("ADMIN_PASSWORD", "UNSET", "options.password: the environment variable UNSET is not set."),
        ("password =", "# ", "options.password: This field is required."),
        ("[org.user.options]", "[[org.user.options]]", "options: a table is expected."),
        ('"admin@fabrikam.example"', "[1]", "options.username: a string, number or boolean is expected."),
    ],
)
@pytest.mark.usefixtures("own_password")
def test_a_mistake_in_own_options_is_named_with_its_place(
    run: Provision, old: str, new: str, problem: str
) -> None:
    assert old in OWN
    place = 'org[0] "fabrikam" . user[0] "admin@fabrikam.example" . '
    assert problems(run, with_own(OWN.replace(old, new))) == [place + problem]


@pytest.mark.usefixtures("own_password")
def test_own_options_are_not_judged_on_top_of_wrong_ones(run: Provision) -> None:
    text = with_own().replace("https://paper.example/", "paper")
    assert problems(run, text) == ['org[0] "fabrikam" . options.endpoint: Enter a valid URL.']


@pytest.mark.usefixtures("own_password")
def test_own_options_of_a_former_backend_are_dropped_when_new_ones_are_given(run: Provision) -> None:
    run(with_own())
    text = CONTOSO.replace("contoso", "fabrikam") + '[[org.user]]\nemail = "admin@fabrikam.example"\n'
    run(text)
    assert "username" in Person.objects.get().options
    run(text + '[org.user.options]\ntoken = "own"\n')
    assert Person.objects.get().options == {"token": "own"}


def test_the_options_of_a_client_are_refused(run: Provision) -> None:
    (problem,) = problems(run, FABRIKAM + 'options = { token = "t" }\n')
    assert 'client[0] "salesforce-fabrikam" . options: it is not' in problem


def command(*args: Any, **options: Any) -> str:
    out = StringIO()
    call_command("provision", *map(str, args), stdout=out, **options)
    return out.getvalue()


def test_the_command_prints_the_difference(tenants: Path) -> None:
    assert command(tenants, "--dry-run").endswith("dry run: nothing was changed\n")
    printed = command(tenants)
    assert '    acts_as: "admin@fabrikam.example"\n    client_secret: set\n' in printed
    assert command(tenants) == "nothing to do\n"


def test_the_command_fails_with_all_mistakes(tenants: Path) -> None:
    tenants.write_text('[[org]]\nnmae = "x"\n')
    with pytest.raises(CommandError) as refusal:
        command(tenants)
    lines = ["org[0] . nmae: it is not known; did you mean name?", "org[0] . slug: it is missing."]
    assert str(refusal.value) == "\n".join(lines)
