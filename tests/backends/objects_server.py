"""A server that speaks S3 and checks who asks, for tests/backends/objects.rs.

Starts moto on a free port of the loopback, makes a bucket and two users, prints where and who as
one line of JSON, and ends when its standard input does.
"""

import json
import sys

import boto3
import moto.settings
from moto.server import ThreadedMotoServer

BUCKET = "snapshots"
BUCKET_ONLY = [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]
OBJECTS = [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = lambda service: boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="root",
        aws_secret_access_key="root",
    )
    client("s3").create_bucket(Bucket=BUCKET)
    iam = client("iam")
    keys = {}
    for user, statements in {"writer": BUCKET_ONLY + OBJECTS, "lister": BUCKET_ONLY}.items():
        iam.create_user(UserName=user)
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=user, PolicyName="tandem", PolicyDocument=policy)
        key = iam.create_access_key(UserName=user)["AccessKey"]
        keys[user] = [key["AccessKeyId"], key["SecretAccessKey"]]
    # From here on nobody does anything without rights.
    moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    print(json.dumps({"endpoint": endpoint, "bucket": BUCKET, "keys": keys}), flush=True)
    sys.stdin.read()
    server.stop()


main()
