"""HTML documents from templates beside the modules of a package."""

from lab.foundation.plural import plural


def render(package: str, template: str, **values: object) -> str:
    """Render a template of a package; values are escaped, and an undefined one is an error."""
    # Imported here: only what writes a document needs it.
    from jinja2 import (  # noqa: PLC0415
        Environment,
        PackageLoader,
        StrictUndefined,
        select_autoescape,
    )

    environment = Environment(
        loader=PackageLoader(package, "."),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plural"] = plural
    document: str = environment.get_template(template).render(values)
    return document
