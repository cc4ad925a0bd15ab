"""A hub of Hugging Face's form on a free port of this machine: what is asked of it, and what was sent to it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_of_a_test"


@dataclass
class Hub:
    """Its models by name, each a mapping of files; those that are private need the token."""

    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    large: dict[str, bytes] = field(default_factory=dict)
    cut: str = ""
    """A file whose next answer ends in its middle; from then on it is not there, until this is empty again."""
    is_cut: bool = False
    said: Response | None = None
    """The answer to every question, where it is to be a strange one."""
    address: str = ""

    async def handle(self, request: Request) -> Response:
        path, is_head = request.url.path, request.method == "HEAD"
        self.asked.append(f"{request.method} {path} {request.headers.get('range', '')}".strip())
        self.agents.add(request.headers.get("user-agent", ""))
        if self.said:
            return self.said
        speaks = request.headers.get("authorization") == f"Bearer {TOKEN}"
        if path == "/api/validate-yaml":
            return JSONResponse({"errors": [], "warnings": []})
        if path.startswith("/large/"):
            self.large[path.removeprefix("/large/")] = await request.body()
            return Response()
        if path == "/api/repos/create":
            body = await request.json()
            name = f"{body['organization']}/{body['name']}" if body.get("organization") else body["name"]
            self.models.setdefault(name, {})
            self.private.setdefault(name, body.get("private") is True or body.get("visibility") == "private")
            return JSONResponse({"url": f"{self.address}/{name}"}) if speaks else Response(status_code=401)
        name = "/".join(path.removeprefix("/api/models").strip("/").split("/")[:2]).removesuffix(".git")
        files = self.models.get(name)
        if files is None or (self.private.get(name) and not speaks):
            return Response(status_code=404, headers={"X-Error-Code": "RepoNotFound"})
        if "/resolve/" in path:
            return self.file(files, path.partition("/resolve/")[2].partition("/")[2], request, is_head)
        if "/preupload/" in path:
            sent = (await request.json())["files"]
            how = [{"path": each["path"], "shouldIgnore": False, "uploadMode": mode(each["path"])} for each in sent]
            return JSONResponse({"files": how})
        if path.endswith("/info/lfs/objects/batch"):
            objects = (await request.json())["objects"]
            put = [{**each, "actions": {"upload": {"href": f"{self.address}/large/{each['oid']}"}}} for each in objects]
            return JSONResponse({"objects": put, "transfer": "basic"})
        if "/commit/" in path:
            for line in (await request.body()).decode().splitlines():
                said = json.loads(line)
                if said["key"] == "file":
                    files[said["value"]["path"]] = base64.b64decode(said["value"]["content"])
                if said["key"] == "lfsFile":
                    files[said["value"]["path"]] = self.large[said["value"]["oid"]]
            return JSONResponse({"commitUrl": f"{self.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT})
        return JSONResponse(self.facts(name, files))

    def facts(self, name: str, files: dict[str, bytes]) -> dict[str, Any]:
        siblings = []
        for file, content in files.items():
            sibling: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": blob(content)}
            if mode(file) == "lfs":
                digest = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"size": len(content), "sha256": digest, "pointerSize": 130}
            siblings.append(sibling)
        facts = {"id": name, "sha": COMMIT, "private": self.private.get(name, False), "siblings": siblings}
        return facts | {"cardData": {"license": "apache-2.0"}, "tags": [], "downloads": 0, "likes": 0}

    def file(self, files: dict[str, bytes], name: str, request: Request, is_head: bool) -> Response:
        content = files[name]
        headers = {"ETag": f'"{blob(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if is_head:
            return Response(headers=headers | {"Content-Length": str(len(content))})
        begin = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        if self.cut == name and self.is_cut:
            return Response(status_code=404, headers={"X-Error-Code": "EntryNotFound"})
        if self.cut == name:
            self.is_cut = True

            async def half() -> Any:
                yield content[begin : len(content) // 2]
                raise ConnectionError("cut off, as a test wants it")

            from starlette.responses import StreamingResponse

            return StreamingResponse(half(), headers=headers | {"Content-Length": str(len(content) - begin)})
        return Response(content[begin:], status_code=206 if begin else 200, headers=headers)


def mode(file: str) -> str:
    return "lfs" if file.endswith((".safetensors", ".bin")) else "regular"


def blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def hub_running(hub: Hub) -> Iterator[Hub]:
    methods = ["GET", "HEAD", "POST", "PUT"]
    app = Starlette(routes=[Route("/{path:path}", hub.handle, methods=methods)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    hub.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield hub
    finally:
        server.should_exit = True
        thread.join(10)
