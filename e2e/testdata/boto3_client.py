# One operation of boto3 with a configured profile: PROFILE ENDPOINT VERB BUCKET KEY [FILE]
import sys
sys.path.pop(0)
import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

profile, endpoint, verb, bucket, key = sys.argv[1:6]
s3 = boto3.Session(profile_name=profile).client("s3", endpoint_url=endpoint, config=Config(retries={"max_attempts": 0}))
parts = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20)
if verb == "mb":
    s3.create_bucket(Bucket=bucket)
elif verb == "rb":
    s3.delete_bucket(Bucket=bucket)
elif verb == "put":
    s3.upload_file(sys.argv[6], bucket, key, Config=parts)
elif verb == "get":
    s3.download_file(bucket, key, sys.argv[6], Config=parts)
elif verb == "ls":
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
        for o in page.get("Contents", []):
            print(o["Key"], o["Size"])
elif verb == "rm":
    s3.delete_object(Bucket=bucket, Key=key)
elif verb == "presign":
    print(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=3600))
