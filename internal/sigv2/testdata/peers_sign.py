# Signs requests with botocore and with s3cmd, as independent peers: reads {"key", "secret",
# "cases"} as JSON on stdin, writes the signed requests as JSON on stdout.
import json
import sys
from urllib.parse import unquote, urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from S3 import Config, Crypto
from S3.SortedDict import SortedDict

SIGNERS = {
    "header": botocore.auth.HmacV1Auth,
    "query": botocore.auth.HmacV1QueryAuth,
    "post": botocore.auth.HmacV1PostAuth,
}


def answer(method, url, headers):
    url = urlsplit(url)
    target = url.path + ("?" + url.query if url.query else "")
    return {"method": method, "target": target, "headers": [["Host", url.netloc]] + headers}


def sign_s3cmd(order, case):
    config = Config.Config()
    config.access_key, config.secret_key = order["key"], order["secret"]
    url = urlsplit(case["url"])
    if case["signer"] == "s3cmd signurl":
        config.host_base = config.host_bucket = url.netloc
        config.signurl_use_https = False
        config.content_disposition = case.get("disposition") or ""
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        return answer("GET", Crypto.sign_url_base_v2(bucket=bucket, object=key, expiry="+3600"), [])
    params = dict(p.partition("=")[::2] for p in url.query.split("&")) if url.query else {}
    headers = SortedDict(case.get("headers") or {}, ignore_case=True)
    signed = Crypto.sign_request_v2(case["method"], unquote(url.path), params, headers)
    return answer(case["method"], case["url"], [[k, v] for k, v in signed.items()])


def sign(order, case):
    kind = case["signer"]
    if kind.startswith("s3cmd"):
        return sign_s3cmd(order, case)
    signer = SIGNERS[kind](Credentials(order["key"], order["secret"], order.get("token")))
    request = AWSRequest(case["method"], case["url"], headers=case.get("headers") or {}, auth_path=case.get("auth_path"))
    if kind == "post":
        request.context["s3-presign-post-fields"] = dict(case["fields"])
        request.context["s3-presign-post-policy"] = {"expiration": case["expiration"], "conditions": case["conditions"]}
        signer.add_auth(request)
        return {"fields": request.context["s3-presign-post-fields"]}
    signer.add_auth(request)
    # A presigned URL is used without the headers that botocore has put into it.
    headers = [] if kind == "query" else [[k, v] for k, v in request.headers.items()]
    return answer(case["method"], request.url, headers)


def main():
    order = json.load(sys.stdin)
    json.dump([sign(order, c) for c in order["cases"]], sys.stdout)


main()
