# Signs requests with botocore, as an independent peer: reads {"key", "secret", "cases"} as JSON on
# stdin, writes the signed requests as JSON on stdout.
import json
import sys
from urllib.parse import urlsplit

import botocore.auth
import botocore.crt.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SIGNERS = {
    "header": botocore.auth.S3SigV4Auth,
    "query": botocore.auth.S3SigV4QueryAuth,
    "crt header": botocore.crt.auth.CrtS3SigV4Auth,
    "crt query": botocore.crt.auth.CrtS3SigV4QueryAuth,
    "post": botocore.auth.S3SigV4PostAuth,
}


def sign(credentials, case):
    kind = case["signer"]
    signer = SIGNERS[kind](credentials, "s3", case.get("region", "us-east-1"))
    # A presigned URL does not cover the body, and botocore would move it into the query.
    body = "" if kind.endswith("query") else case.get("body") or ""
    request = AWSRequest(case["method"], case["url"], headers=case.get("headers") or {}, data=body.encode())
    if kind == "post":
        request.context["s3-presign-post-fields"] = dict(case["fields"])
        request.context["s3-presign-post-policy"] = {"expiration": case["expiration"], "conditions": case["conditions"]}
        signer.add_auth(request)
        return {"fields": request.context["s3-presign-post-fields"]}
    signer.add_auth(request)
    url = urlsplit(request.url)
    target = url.path + ("?" + url.query if url.query else "")
    headers = [[k, v if isinstance(v, str) else v.decode()] for k, v in request.headers.items()]
    if not any(k.lower() == "host" for k, _ in headers):
        headers.insert(0, ["Host", url.netloc])
    return {"method": case["method"], "target": target, "headers": headers}


def main():
    order = json.load(sys.stdin)
    credentials = Credentials(order["key"], order["secret"], order.get("token"))
    json.dump([sign(credentials, c) for c in order["cases"]], sys.stdout)


main()
