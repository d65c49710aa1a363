"""Rules that read the metadata of the aggregates that a host is in. Worked out once for each set of aggregates, not for each host.

Values of metadata may be lists, separated by commas. Some keys carry words of Nova's that operators' aggregates have.
"""
from nova_lite.scheduler.core.filters import operators
from nova_lite.scheduler.core.filters.rule import Filter

EXTRA_SPECS_SCOPE = "aggregate_instance_extra_specs"
PROJECT_KEY = "filter_tenant_id"
FLAVOR_KEY = "instance_type"


def metadata(aggregates) -> dict[str, set[str]]:
    """All metadata of some aggregates: key → the values any of them has."""
    found: dict[str, set[str]] = {}
    for aggregate in aggregates:
        for key, value in aggregate.meta.items():
            found.setdefault(key, set()).update(part.strip() for part in str(value).split(","))
    return found


def by_aggregates(query, key, rule):
    """A check that looks the verdict of ``rule(aggregates)`` up by each row's set of aggregates."""
    table = query.table
    verdicts = table.by_aggregates(key, rule)
    return lambda rows: verdicts[table.aggregate_class[rows]]


def image_properties_isolation(query):
    image = {key: str(value) for key, value in query.request.image.items() if value}
    namespace = query.options.aggregate_image_properties_isolation_namespace
    prefix = namespace + query.options.aggregate_image_properties_isolation_separator if namespace else ""

    def fits(aggregates):
        return all(image[key] in values for key, values in metadata(aggregates).items() if key in image and key.startswith(prefix))
    return by_aggregates(query, ("image isolation", prefix, frozenset(image.items())), fits) if image else None


def extra_specs(query):
    wanted = {}
    for key, value in query.request.extra_specs.items():
        scope, colon, rest = key.partition(":")
        if not colon:
            wanted[key] = value
        elif scope == EXTRA_SPECS_SCOPE:
            wanted[rest] = value
    if not wanted:
        return None

    def fits(aggregates):
        have = metadata(aggregates)
        return all(any(operators.match(value, want) for value in have.get(key, ())) for key, want in wanted.items())
    return by_aggregates(query, ("extra specs", frozenset(wanted.items())), fits)


def project_isolation(query):
    project = query.request.project_id

    def fits(aggregates):
        projects = set().union(*(values for key, values in metadata(aggregates).items() if key.startswith(PROJECT_KEY)))
        return not projects or project in projects
    return by_aggregates(query, ("project isolation", project), fits)


def type_affinity(query):
    flavor = query.request.flavor_name

    def fits(aggregates):
        flavors = metadata(aggregates).get(FLAVOR_KEY)
        return not flavors or flavor in flavors
    return by_aggregates(query, ("type affinity", flavor), fits)


FILTERS = (
    Filter("AggregateImagePropertiesIsolation", image_properties_isolation, "is kept for other images", "are kept for other images"),
    Filter("AggregateInstanceExtraSpecsFilter", extra_specs, "does not have what the flavor's extra specs ask for",
           "do not have what the flavor's extra specs ask for"),
    Filter("AggregateMultiTenancyIsolation", project_isolation, "is kept for other projects", "are kept for other projects"),
    Filter("AggregateTypeAffinityFilter", type_affinity, "is kept for other flavors", "are kept for other flavors"),
)
