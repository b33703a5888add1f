"""`namaskah price`, `plan` and `service`: what is sold, to whom and for how much. Every change keeps its
reason."""

from typing import Annotated

import typer

from namaskah.cli.connect import Instance, find_user, operator, with_database
from namaskah.cli.output import example, print_json, say

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit log.")]
Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name in addresses: telegram.")]

price = typer.Typer(no_args_is_help=True, help="Prices.")
plan = typer.Typer(no_args_is_help=True, help="Plans of users.")
service = typer.Typer(no_args_is_help=True, help="Services that are sold.")


def register(app: typer.Typer) -> None:
    """Adds the three groups."""
    app.add_typer(price, name="price")
    app.add_typer(plan, name="plan")
    app.add_typer(service, name="service")


@price.command("set", epilog=example("namaskah price set telegram us 0.75 --reason 'cheaper route'"))
def set_price(
    slug: Service,
    country: Annotated[str, typer.Argument(help="ISO 3166 code, such as us.")],
    amount: Annotated[str, typer.Argument(metavar="USD", help="Before the plan's discount, such as 0.75.")],
    reason: Reason,
    operator_name: Annotated[str, typer.Option("--operator", help="Only for this mobile network.")] = "",
    as_json: AsJson = False,
) -> None:
    """Sets what a number costs for a service in a country; orders that run keep their price."""

    async def work(instance: Instance) -> None:
        from namaskah.catalog.set_price import set_price
        from namaskah.core.money import micros_from_text, text_from_micros

        micros = micros_from_text(amount)
        await set_price(
            instance.db,
            service=slug,
            country=country.lower(),
            operator=operator_name.lower(),
            price_micros=micros,
            actor_id=operator(),
            reason=reason,
        )
        facts = {"service": slug, "country": country.lower(), "operator": operator_name.lower()}
        if as_json:
            print_json({**facts, "price": text_from_micros(micros)})
        else:
            say(f"{slug} in {country.lower()} now costs {text_from_micros(micros)} USD.")

    with_database(work)


@plan.command("set", epilog=example("namaskah plan set ana@example.com pro --reason 'contract 12'"))
def set_plan(
    who: Annotated[str, typer.Argument(metavar="USER", help="The user's e-mail address or id.")],
    plan_slug: Annotated[str, typer.Argument(metavar="PLAN", help="The plan's name, such as free or pro.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Puts a user on a plan; its discount and limits hold from the next order on."""

    async def work(instance: Instance) -> None:
        from namaskah.catalog.set_plan import set_plan

        found = await find_user(instance.db, who)
        await set_plan(instance.db, user_id=found.id, plan=plan_slug, actor_id=operator(), reason=reason)
        if as_json:
            print_json({"user_id": found.id, "plan": plan_slug})
        else:
            say(f"{found.id} is on the plan {plan_slug}.")

    with_database(work)


@service.command("stop", epilog=example("namaskah service stop telegram --reason 'no codes arrive'"))
def stop(slug: Service, reason: Reason, as_json: AsJson = False) -> None:
    """Stops selling a service; orders that run go on."""

    async def work(instance: Instance) -> None:
        from namaskah.catalog.stop_service import stop_service

        await stop_service(instance.db, service=slug, actor_id=operator(), reason=reason)

    with_database(work)
    _say(slug, "stopped", as_json)


@service.command("start", epilog=example("namaskah service start telegram --reason 'codes arrive again'"))
def start(slug: Service, reason: Reason, as_json: AsJson = False) -> None:
    """Sells a stopped service again."""

    async def work(instance: Instance) -> None:
        from namaskah.catalog.stop_service import start_service

        await start_service(instance.db, service=slug, actor_id=operator(), reason=reason)

    with_database(work)
    _say(slug, "started", as_json)


@service.command("open", epilog=example("namaskah service open paypal --reason 'approved by the board, minutes of 3 May'"))
def open_blocked(slug: Service, reason: Reason, as_json: AsJson = False) -> None:
    """Opens a service of a category that is blocked by default, such as banks."""

    async def work(instance: Instance) -> None:
        from namaskah.catalog.open_service import open_service

        await open_service(instance.db, service=slug, actor_id=operator(), reason=reason)

    with_database(work)
    _say(slug, "open", as_json)


def _say(slug: str, state: str, as_json: bool) -> None:
    if as_json:
        print_json({"service": slug, "state": state})
    else:
        say(f"{slug} is {state}.")
