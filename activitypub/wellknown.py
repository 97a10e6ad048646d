"""What a stranger asks first: who is behind a handle (WebFinger), and what this server is (NodeInfo, host-meta)."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from activitypub import nodeinfo, webfinger
from activitypub.actors import actor_by_uri, local_actor_by_handle
from activitypub.context import FederationContext
from activitypub.errors import Gone, MalformedActivity, Refused
from activitypub.handles import ended_handle
from activitypub.ports import NOBODY, NOBODY_AT_ALL, ActorView, Ended
from activitypub.webfinger import Handle
from privacy.unit_of_work import UnitOfWork

ANYONE = {"Access-Control-Allow-Origin": "*"}
"""These documents are for scripts of any page too (RFC 7033 §5)."""
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Found:
    """A local actor that WebFinger may speak of, and its page if people may see one."""

    actor: ActorView
    page: str | None


async def webfinger_document(context: FederationContext, request: Request) -> Response:
    """Answer who is behind a handle or an address of ours; raises MalformedActivity, Refused (404) and Gone."""
    asked = request.query_params.getlist("resource")
    if len(asked) != 1:
        raise MalformedActivity(public="Ask with exactly one resource.")
    resource = webfinger.parse_resource(asked[0])
    if resource in (context.uris.base_url, f"{context.uris.base_url}/"):
        document = webfinger.service_descriptor(resource, context.uris.instance_actor)
    else:
        found = await context.database.read(find, context, resource)
        handle = Handle(found.actor.handle, context.uris.domain)
        document = webfinger.descriptor(handle, found.actor.uri, kind=found.actor.kind, page=found.page)
    return JSONResponse(document, media_type=webfinger.MEDIA_TYPE, headers=ANYONE)


def find(uow: UnitOfWork, context: FederationContext, resource: Handle | str) -> Found:
    """Return the local actor behind a handle, an id or a page. Raises Refused (404) and Gone.

    What may not be found answers like what never was (product decision 16).
    """
    actor = _actor(uow, context, resource)
    if actor is None or actor.uri != context.uris.instance_actor:
        # The same is asked whether there is somebody or not, so that the time it takes does not tell.
        findable = context.publications.is_findable(uow, NOBODY_AT_ALL if actor is None else actor)
        actor = actor if findable or (actor is not None and actor.state == "gone") else None
    if actor is None and ended_handle(uow, _handle_in(context, resource)):
        raise Gone("webfinger")
    if actor is None or not actor.local:
        raise Refused(NOT_FOUND, "webfinger")
    if actor.uri == context.uris.instance_actor:
        return Found(actor, None)
    document = context.publications.actor(uow, actor, NOBODY)
    if isinstance(document, Ended):
        raise Gone("webfinger")
    if document is None:
        raise Refused(NOT_FOUND, "webfinger")
    return Found(actor, document.html)


def _actor(uow: UnitOfWork, context: FederationContext, resource: Handle | str) -> ActorView | None:
    handle = _handle_in(context, resource)
    if handle or isinstance(resource, Handle):
        return local_actor_by_handle(uow, handle)
    return actor_by_uri(uow, resource)


def _handle_in(context: FederationContext, resource: Handle | str) -> str:
    """Return the handle of this node that a resource names, or nothing."""
    if isinstance(resource, Handle):
        return resource.name if resource.host == context.uris.domain else ""
    prefix = context.uris.handle_page("")
    return resource.removeprefix(prefix) if resource.startswith(prefix) else ""


async def host_meta(context: FederationContext, request: Request) -> Response:  # noqa: ARG001 - every handler is asked so
    """Answer where WebFinger is, as XRD (RFC 6415)."""
    text = nodeinfo.host_meta_xml(context.uris.base_url)
    return Response(text, media_type=nodeinfo.HOST_META_MEDIA_TYPE, headers=ANYONE)


async def host_meta_json(context: FederationContext, request: Request) -> Response:  # noqa: ARG001 - every handler is asked so
    """Answer where WebFinger is, as JSON."""
    return JSONResponse(nodeinfo.host_meta_json(context.uris.base_url), headers=ANYONE)


async def nodeinfo_links(context: FederationContext, request: Request) -> Response:  # noqa: ARG001 - every handler is asked so
    """Answer where the NodeInfo documents are, and the node's own actor (FEP-2677)."""
    return JSONResponse(nodeinfo.well_known(context.uris.base_url), headers=ANYONE)


async def nodeinfo_document(context: FederationContext, request: Request) -> Response:
    """Answer what this server is, in NodeInfo 2.0 or 2.1; raises Refused (404) for any other version."""
    version = request.path_params["version"]
    if version not in nodeinfo.VERSIONS:
        raise Refused(NOT_FOUND, "nodeinfo")
    options = context.options
    facts = nodeinfo.NodeFacts(
        software_version=options.version,
        node_name=options.title,
        node_description=options.description,
        open_registrations=options.open_registrations,
        federation_enabled=context.peers.mode != "off",
        repository=options.repository or None,
        homepage=options.repository or None,
    )
    document = nodeinfo.document(version, facts)
    return JSONResponse(document, media_type=nodeinfo.media_type(version), headers=ANYONE)
