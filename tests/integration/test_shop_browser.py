"""The shop in a real browser: a person fills a cart, changes it and pays, by mouse and by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from lab.stack.native.cluster import Cluster
from tests.fix_browser import Visit, visit
from tests.fix_postgres import Database
from tests.fix_workload import ask, cloned, one, running_service

PAID = "SELECT payment, total::text FROM shop.orders WHERE NOT is_open ORDER BY order_id"
QUIET = {"rate_shop_browse": 0.0, "rate_shop_abandon": 0.0, "rate_shop_buy": 0.0}


@pytest.fixture(scope="module")
def seeded(cluster: Cluster, seeded_template: str) -> Iterator[Database]:
    """A seeded database that these tests share."""
    with cloned(cluster, seeded_template) as database:
        yield database


@pytest.fixture(scope="module")
def base(seeded: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop's real process, with no visitor but the test's."""
    settings = seeded.settings.model_copy(update=QUIET)
    folder = tmp_path_factory.mktemp("shop")
    with running_service("shop", settings, folder, {"DD_TRACE_ENABLED": "false"}) as process:
        yield f"http://{process.client.address}"


def add(person: Visit, product: str, quantity: int) -> None:
    person.open("/")
    person.page.get_by_role("link", name=product).click()
    person.page.get_by_label("Quantity").fill(str(quantity))
    person.page.get_by_role("button", name="Add to cart").click()
    expect(person.page.get_by_role("heading", level=1)).to_have_text("Cart")


def test_a_person_buys_by_pix_and_by_store_credit(
    browser: Browser, base: str, seeded: Database
) -> None:
    """Every click is one row; what was bought stands under Orders; the browser has nothing to complain of."""
    person = visit(browser, base, width=1280)
    page = person.page
    add(person, "Hammock", 2)
    add(person, "Guava paste", 1)
    page.get_by_label("Quantity of Hammock, cotton").fill("3")
    page.get_by_role("button", name="Change").first.click()
    expect(page.get_by_text("R$ 749.70")).to_be_visible()
    page.get_by_role("button", name="Remove Guava paste, 600 g").click()
    expect(page.get_by_text("Guava paste")).to_have_count(0)
    page.get_by_role("button", name="Pay by Pix").press("Enter")
    expect(page.get_by_role("cell", name="pix")).to_be_visible()

    add(person, "Bicycle", 2)
    cpf = str(one(seeded, "SELECT cpf FROM customers ORDER BY customer_id LIMIT 1"))
    page.get_by_label("CPF").fill(cpf)
    page.get_by_role("button", name="Pay by store credit").click()
    expect(page.get_by_role("cell", name="credit", exact=True)).to_be_visible()
    assert ask(seeded, PAID) == [
        ("pix", "749.70"),
        ("credit", "3380.00"),
    ]
    assert person.complaints == []
    page.context.close()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["desk", "phone"])
def test_every_page_fits_its_screen(browser: Browser, base: str, width: int, dark: bool) -> None:
    person = visit(browser, base, width=width, dark=dark)
    add(person, "Notebook", 1)
    for path in ("/", "/products/7", "/cart", "/orders", "/products/999"):
        answer = person.open(path)
        assert answer.status == (404 if path.endswith("999") else 200)
        assert not person.is_wider_than_the_screen(), path
        person.keep_picture(f"shop{path.replace('/', '-')}")
    person.page.context.close()


def test_a_form_of_another_site_does_nothing(browser: Browser, base: str, seeded: Database) -> None:
    """The browser sends the origin of another page: 403, and no row."""
    person, before = visit(browser, base), ask(seeded, PAID)
    add(person, "Football", 1)
    page = person.page
    page.goto("about:blank")
    page.set_content(
        f'<form method="post" action="{base}/checkout"><input name="payment" value="pix">'
        "<button>Win a bicycle</button></form>"
    )
    page.get_by_role("button").click()
    expect(page.get_by_text("may not send requests here")).to_be_visible()
    assert ask(seeded, PAID) == before
    page.context.close()
