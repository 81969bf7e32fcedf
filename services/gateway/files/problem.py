"""A refusal that pages of other sites can read, as they can read the files."""

from aiohttp import web

from libs.web.problem import problem
from services.gateway.files.header import CORS


def public_problem(status: int, code: str, detail: str) -> web.Response:
    """`libs.web.problem.problem` with the CORS headers that the file itself would have."""
    response = problem(status, code, detail)
    response.headers.update(CORS)
    return response
