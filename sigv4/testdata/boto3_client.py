# Uses boto3 against the S3 endpoint given as argument: uploads, downloads, listings and presigned
# URLs with the keys that come as JSON on stdin. Prints nothing; fails if the server refuses.
import http.client
import io
import json
import ssl
import sys
import warnings
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

warnings.simplefilter("ignore")  # the server's certificate is its own


def fetch(url, method="GET", body=None):
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection(parts.netloc)
    connection.request(method, url[url.index(parts.netloc) + len(parts.netloc):], body=body)
    response = connection.getresponse()
    assert response.status == 200, (response.status, response.read(), url)
    response.read()


def main(endpoint, order):
    config = Config(signature_version="s3v4", retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="lumi-1", verify=False, config=config,
                      aws_access_key_id=order["key"], aws_secret_access_key=order["secret"])
    for key in order["keys"]:
        where = {"Bucket": "bucket", "Key": key}
        s3.put_object(Body=b"some bytes", Metadata={"note": "two  blanks"}, **where)
        s3.head_object(**where)
        s3.get_object(Range="bytes=0-3", **where)
        s3.list_objects_v2(Bucket="bucket", Prefix=key, Delimiter="/")
        s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "x"}]})
        fetch(s3.generate_presigned_url("get_object", where))
        fetch(s3.generate_presigned_url("put_object", where), "PUT", b"body")
    for algorithm in "CRC32", "CRC32C", "SHA1", "SHA256":
        for size in 0, 1, 70000, 3000000:
            s3.put_object(Bucket="bucket", Key="k", Body=io.BytesIO(b"x" * size), ChecksumAlgorithm=algorithm)
            s3.upload_part(Bucket="bucket", Key="k", PartNumber=1, UploadId="u", Body=io.BytesIO(b"y" * size),
                           ChecksumAlgorithm=algorithm)


main(sys.argv[1], json.load(sys.stdin))
