"""Mailboxes and their messages; phones asked to fetch their configuration anew."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from pydantic import BaseModel

from softswitch.api.replies import Limit, Offset, TheOperator, json, page
from softswitch.switch.records import SavedMessage
from softswitch.switch.views import MailboxRow

router = APIRouter(prefix="/api/v1", tags=["mailboxes"])


class MailboxPage(BaseModel):
    items: list[MailboxRow]
    total: int


class MessagePage(BaseModel):
    items: list[SavedMessage]
    total: int


@router.get("/mailboxes", response_model=MailboxPage)
async def mailboxes(operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """All mailboxes, with how many messages are new and how many were heard."""
    return page(operator.views.mailboxes(), limit, offset)


@router.get("/mailboxes/{box}/messages", response_model=MessagePage)
async def messages(box: str, operator: TheOperator, limit: Limit = 100, offset: Offset = 0) -> Response:
    """A mailbox's messages, the new ones first. The sound of one is `/recordings/{path}`."""
    if all(row.name != box for row in operator.views.mailboxes()):
        raise HTTPException(404, f"no mailbox {box}")
    return page(operator.views.messages(box), limit, offset)


@router.delete("/mailboxes/{box}/messages", status_code=202)
async def delete(
    box: str,
    operator: TheOperator,
    path: Annotated[str, Query(description="Of the message, as listed")],
    by: str = "operator",
) -> Response:
    """Delete a message and, unless it is held, its recording."""
    if not operator.delete_message(box, path, by):
        raise HTTPException(404, f"no message {path} in mailbox {box}")
    return json({"box": box, "path": path, "deleted": True}, 202)


@router.post("/phones/{name}/resync", status_code=202)
async def resync(name: str, operator: TheOperator) -> Response:
    """Ask the phone to fetch its configuration anew (NOTIFY `check-sync`). 409 when it is not registered."""
    return json({"phone": name, "contacts": operator.resync(name)}, 202)
