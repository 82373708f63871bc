"""What boto3 does with a bucket, for test/e2e/s3-door.test.ts: upload, download, sync by hand, one range."""
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig

act, folder, key = sys.argv[1:4]
s3 = boto3.client("s3")
bucket, name = key.split("/", 1)
parts = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20)


def local():
    for root, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(root, file)
            yield path, os.path.relpath(path, folder)


def stored(prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": 2})
    return {item["Key"][len(prefix) :]: item["Size"] for page in pages for item in page.get("Contents", [])}


if act == "upload":
    for path, relative in local():
        s3.upload_file(path, bucket, f"{name}/{relative}", Config=parts)
elif act == "sync":
    there = stored(f"{name}/")
    mine = dict((relative, path) for path, relative in local())
    gone = [{"Key": f"{name}/{relative}"} for relative in there if relative not in mine]
    if gone:
        s3.delete_objects(Bucket=bucket, Delete={"Objects": gone})
    for relative, path in mine.items():
        if there.get(relative) != os.path.getsize(path):
            s3.upload_file(path, bucket, f"{name}/{relative}", Config=parts)
elif act == "download":
    for relative in stored(f"{name}/"):
        path = os.path.join(folder, relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        s3.download_file(bucket, f"{name}/{relative}", path, Config=parts)
elif act == "commit":
    s3.put_object(Bucket=bucket, Key=f"{name}/.commit", Body=sys.argv[4].encode())
elif act == "list":
    print("\n".join(stored(f"{name}/")))
elif act == "range":
    got = s3.get_object(Bucket=bucket, Key=name, Range=f"bytes={sys.argv[4]}")
    sys.stdout.buffer.write(got["Body"].read())
