"""An object store: buckets, and every request's signature verified (AWS Signature Version 4).

The endpoint is /s3, the style is by path. Signatures: docs.aws.amazon.com/IAM/latest/UserGuide,
"Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from datetime import datetime, timedelta, timezone
from typing import Any, Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape

from aiohttp import web

from control import read_order
from faults import Fault
from service import Context, Service

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/s3/aws4_request,"
    r"\s*SignedHeaders=(?P<names>[a-z0-9;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
CODES = {400: "InvalidRequest", 403: "AccessDenied", 404: "NoSuchBucket", 409: "OperationAborted",
         429: "SlowDown", 500: "InternalError", 503: "SlowDown"}
SKEW = timedelta(minutes=15)


class Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


def sign(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class S3(Service):
    name = "s3"
    prefixes = ("/s3",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.store = context.store
        self.access = os.environ.get("S3_ACCESS_KEY", "sandbox")
        self.secret = os.environ.get("S3_SECRET_KEY", "sandbox_secret")
        self.region = os.environ.get("S3_REGION", "us-east-1")

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/s3/", self.list_buckets, allow_head=False),
                web.head("/s3/{bucket}", self.head_bucket),
                web.put("/s3/{bucket}", self.create_bucket)]

    def control_routes(self) -> list[web.RouteDef]:
        return [web.post("/_control/s3/buckets", self.set_buckets)]

    def metadata(self, request: web.Request, body: Any) -> Mapping[str, Any]:
        return {"bucket": request.match_info.get("bucket", "")}

    def error(self, status: int, fault: Fault | None = None) -> web.Response:
        return self.refusal(Refusal(status, CODES.get(status, "InternalError")))

    @staticmethod
    def refusal(refusal: Refusal) -> web.Response:
        body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{refusal.code}</Code>'
                f"<Message>{refusal.code}</Message><RequestId>1</RequestId></Error>")
        return web.Response(status=refusal.status, text=body, content_type="application/xml")

    # --- signatures

    async def admit(self, request: web.Request) -> None:
        given = AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if not given:
            raise Refusal(403, "AccessDenied")
        if given["key"] != self.access:
            raise Refusal(403, "InvalidAccessKeyId")
        stamp = request.headers.get("x-amz-date", "")
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        if abs(datetime.now(timezone.utc) - at) > SKEW:
            raise Refusal(403, "RequestTimeTooSkewed")
        if given["region"] != self.region:
            raise Refusal(400, "AuthorizationHeaderMalformed")
        digest = request.headers.get("x-amz-content-sha256", "")
        if digest != hashlib.sha256(await request.read()).hexdigest():
            raise Refusal(400, "XAmzContentSHA256Mismatch")
        if not hmac.compare_digest(self.signature(request, given, stamp), given["signature"]):
            raise Refusal(403, "SignatureDoesNotMatch")

    def signature(self, request: web.Request, given: re.Match[str], stamp: str) -> str:
        names = given["names"].split(";")
        if "host" not in names or "x-amz-content-sha256" not in names:
            raise Refusal(403, "AccessDenied")
        headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
        query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
                         for name, value in sorted(request.query.items()))
        asked = "\n".join([request.method, quote(request.path), query, headers, given["names"],
                           request.headers["x-amz-content-sha256"]])
        scope = f"{given['day']}/{given['region']}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                          hashlib.sha256(asked.encode()).hexdigest()])
        key = ("AWS4" + self.secret).encode()
        for part in (given["day"], given["region"], "s3", "aws4_request"):
            key = sign(key, part)
        return sign(key, text).hex()

    # --- buckets

    def buckets(self) -> dict[str, str]:
        """Name and whose it is."""
        return self.store.load("s3.buckets", {})

    async def list_buckets(self, request: web.Request) -> web.Response:
        try:
            await self.admit(request)
        except Refusal as refusal:
            return self.refusal(refusal)
        rows = "".join(f"<Bucket><Name>{escape(name)}</Name></Bucket>"
                       for name, owner in sorted(self.buckets().items()) if owner == "me")
        return web.Response(text=f"<ListAllMyBucketsResult><Buckets>{rows}</Buckets>"
                                 "</ListAllMyBucketsResult>", content_type="application/xml")

    async def head_bucket(self, request: web.Request) -> web.Response:
        """No body, and so no code."""
        try:
            await self.admit(request)
        except Refusal as refusal:
            return web.Response(status=refusal.status)
        owner = self.buckets().get(request.match_info["bucket"])
        return web.Response(status={"me": 200, None: 404}.get(owner, 403))

    async def create_bucket(self, request: web.Request) -> web.Response:
        name = request.match_info["bucket"]
        try:
            await self.admit(request)
            self.create(name, (await request.read()).decode())
        except Refusal as refusal:
            return self.refusal(refusal)
        return web.Response(headers={"Location": f"/{name}"})

    def create(self, name: str, body: str) -> None:
        if not BUCKET.fullmatch(name):
            raise Refusal(400, "InvalidBucketName")
        found = re.search(r"<LocationConstraint>([^<]*)</LocationConstraint>", body)
        wanted = found[1] if found else "us-east-1"
        if wanted != self.region or (found and wanted == "us-east-1"):
            raise Refusal(400, "InvalidLocationConstraint" if found
                          else "IllegalLocationConstraintException")
        buckets = self.buckets()
        if name in buckets:
            raise Refusal(409, "BucketAlreadyOwnedByYou" if buckets[name] == "me"
                          else "BucketAlreadyExists")
        self.store.save("s3.buckets", {**buckets, name: "me"})

    async def set_buckets(self, request: web.Request) -> web.Response:
        """{"NAME": "me" or "other", ...}"""
        self.store.save("s3.buckets", await read_order(request))
        return web.json_response(self.buckets())
