"""Messages as stores send them, by name; the URLs are where the vendors document them."""

import copy
import json
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]

S3_PUT: Message = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-central-1",
            "eventTime": "2026-11-28T10:20:30.405Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
            "requestParameters": {"sourceIPAddress": "192.0.2.7"},
            "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "uploadsvc",
                "bucket": {
                    "name": "media",
                    "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                    "arn": "arn:aws:s3:::media",
                },
                "object": {
                    "key": "uploads/ann/red+flower%2B%C3%A9%25.jpg",
                    "size": 1024,
                    "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                    "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                    "sequencer": "0055AED6DCD90281E5",
                },
            },
        }
    ]
}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""

S3_TEST: Message = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-11-28T10:20:30.405Z",
    "Bucket": "media",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""

EVENTBRIDGE_CREATED: Message = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2026-11-28T10:20:30Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:s3:::media"],
    "detail": {
        "version": "0",
        "bucket": {"name": "media"},
        "object": {
            "key": "uploads/ann/red+flower%2Bé.jpg",
            "size": 5,
            "etag": "b1946ac92492d2347c6235b4d2611184",
            "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            "sequencer": "617f08299329d189",
        },
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "192.0.2.7",
        "reason": "PutObject",
    },
}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

GUARDDUTY_SCAN: Message = {
    "version": "0",
    "id": "72c7d362-737a-6dce-fc78-9e27a0171419",
    "detail-type": "GuardDuty Malware Protection Object Scan Result",
    "source": "aws.guardduty",
    "account": "111122223333",
    "time": "2026-11-28T10:20:30Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:guardduty:eu-central-1:111122223333:malware-protection-plan/b4c7f464ab3a4EXAMPLE"],
    "detail": {
        "schemaVersion": "1.0",
        "scanStatus": "COMPLETED",
        "resourceType": "S3_OBJECT",
        "s3ObjectDetails": {
            "bucketName": "media",
            "objectKey": "uploads/ann/a+b.jpg",
            "eTag": "ASIAI44QH8DHBEXAMPLE",
            "versionId": "d41d8cd98f00b204e9800998eEXAMPLE",
            "s3Throttled": False,
        },
        "scanResultDetails": {"scanResultStatus": "NO_THREATS_FOUND", "threats": None},
    },
}
"""https://docs.aws.amazon.com/guardduty/latest/ug/monitor-with-eventbridge-s3-malware-protection.html"""

CEPH_PUT: Message = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "ceph:s3",
            "awsRegion": "zonegroup1",
            "eventTime": "2026-11-28T10:20:30.124724+0000",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "tester"},
            "requestParameters": {"sourceIPAddress": ""},
            "responseElements": {"x-amz-request-id": "503a4c37.5330.903595", "x-amz-id-2": "14d2-zone1"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "mynotif1",
                "bucket": {
                    "name": "media",
                    "ownerIdentity": {"principalId": "tester"},
                    "arn": "arn:aws:s3:zonegroup1::media",
                    "id": "503a4c37-85eb-47cd-8681-2817e80b4281.5332.38",
                },
                "object": {
                    "key": "uploads/ann/a+b 100%.jpg",
                    "size": "1024",
                    "eTag": "37b51d194a7513e45b56f6524f2d51f2",
                    "versionId": "",
                    "sequencer": "F7E6D75DC742D108",
                    "metadata": [],
                    "tags": [],
                },
            },
            "eventId": "",
            "opaqueData": "",
        }
    ]
}
"""https://docs.ceph.com/en/latest/radosgw/notifications/#events"""

MINIO_PUT: Message = {
    "EventName": "s3:ObjectCreated:Put",
    "Key": "media/uploads/ann/a b+c.jpg",
    "Records": [
        {
            "eventVersion": "2.0",
            "eventSource": "minio:s3",
            "awsRegion": "",
            "eventTime": "2026-11-28T10:20:30.405Z",
            "eventName": "s3:ObjectCreated:Put",
            "userIdentity": {"principalId": "minio"},
            "requestParameters": {"principalId": "minio", "region": "", "sourceIPAddress": "192.0.2.7"},
            "responseElements": {"x-amz-request-id": "15C3249451E12784", "x-minio-deployment-id": "751a8ba6"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "Config",
                "bucket": {
                    "name": "media",
                    "ownerIdentity": {"principalId": "minio"},
                    "arn": "arn:aws:s3:::media",
                },
                "object": {
                    "key": "uploads%2Fann%2Fa+b%2Bc.jpg",
                    "size": 1024,
                    "eTag": "d65f4ea1b4d4fd83ae7f3cbcbbb3d6c5",
                    "contentType": "image/jpeg",
                    "userMetadata": {"content-type": "image/jpeg"},
                    "versionId": "null",
                    "sequencer": "15C32494B4D9F4C6",
                },
            },
            "source": {"host": "192.0.2.7", "port": "", "userAgent": "uploadsvc"},
        }
    ],
}
"""https://min.io/docs/minio/linux/administration/monitoring/publish-events-to-webhook.html"""

RUSTFS_PUT: Message = {
    "EventName": "s3:ObjectCreated:CompleteMultipartUpload",
    "Key": "media/uploads/ann/a b.jpg",
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "rustfs:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2026-11-28T10:20:30.405123456Z",
            "eventName": "s3:ObjectCreated:CompleteMultipartUpload",
            "userIdentity": {"principalId": "rustfs"},
            "requestParameters": {"sourceIPAddress": "192.0.2.7"},
            "responseElements": {"x-amz-request-id": "", "x-amz-id-2": ""},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "Config",
                "bucket": {
                    "name": "media",
                    "ownerIdentity": {"principalId": "rustfs"},
                    "arn": "arn:aws:s3:::media",
                },
                "object": {
                    "key": "uploads%2Fann%2Fa+b.jpg",
                    "size": 1024,
                    "eTag": "d65f4ea1b4d4fd83ae7f3cbcbbb3d6c5-2",
                    "contentType": "image/jpeg",
                    "userMetadata": {},
                    "sequencer": "187C3249451E1278",
                },
            },
            "source": {"host": "192.0.2.7", "port": "9000", "userAgent": "uploadsvc"},
        }
    ],
}
"""https://github.com/rustfs/rustfs/tree/main/crates/notify"""

R2_PUT: Message = {
    "account": "3f4b7e3dcab231cbfdaa90a6a28bd548",
    "action": "CopyObject",
    "bucket": "media",
    "object": {
        "key": "uploads/ann/a+b%2B.jpg",
        "size": 65536,
        "eTag": "c846ff7a18f28c2e262116d6e8719ef0",
    },
    "eventTime": "2026-11-28T10:20:30.405Z",
    "copySource": {"bucket": "media", "object": "uploads/ann/other.jpg"},
}
"""https://developers.cloudflare.com/r2/buckets/event-notifications/"""

B2_UPLOAD: Message = {
    "events": [
        {
            "accountId": "e85c6a500333",
            "bucketId": "aea8c5bc362ae55070130333",
            "bucketName": "media",
            "eventId": "d580b86bcec2ae55bdf0a33aab2be2d4",
            "eventTimestamp": 1795861230405,
            "eventType": "b2:ObjectCreated:Upload",
            "eventVersion": 1,
            "matchedRuleName": "uploadsvc",
            "objectName": "uploads/ann/a+b%2B.jpg",
            "objectSize": 1024,
            "objectVersionId": "4_zaea8c5bc362ae55070130333_f115af4a4",
        }
    ]
}
"""https://www.backblaze.com/docs/cloud-storage-event-notifications-reference-guide"""

_SEAWEEDFS_ATTRIBUTES: Message = {
    "file_size": 5,
    "mtime": 1795861230,
    "file_mode": 432,
    "crtime": 1795861230,
    "mime": "text/plain",
    "md5": "XUFAKrxLKna5cZ2REBfFkg==",
    "inode": 5918575092324702446,
    "ctime": 1795861230,
    "mtime_ns": 405000000,
}

SEAWEEDFS_PUT: Message = {
    "event_type": "create",
    "key": "/buckets/media/uploads/ann/a+b é%2B.txt",
    "message": {
        "new_entry": {
            "name": "a+b é%2B.txt",
            "chunks": [
                {
                    "size": 5,
                    "modified_ts_ns": 1795861230404995331,
                    "e_tag": "XUFAKrxLKna5cZ2REBfFkg==",
                    "fid": {"volume_id": 1, "file_key": 3, "cookie": 1247472798},
                }
            ],
            "attributes": _SEAWEEDFS_ATTRIBUTES,
            "extended": {
                "Cache-Control": "bm8tY2FjaGU=",
                "Seaweed-X-Amz-ETag": "NWQ0MTQwMmFiYzRiMmE3NmI5NzE5ZDkxMTAxN2M1OTI=",
                "Seaweed-X-Amz-Owner": "YWRtaW4=",
                "X-Amz-Meta-Title": "aGVsbG8=",
            },
        },
        "delete_chunks": True,
        "new_parent_path": "/buckets/media/uploads/ann",
        "signatures": [785056038],
    },
}
"""Recorded from version 4.48, as are the two below; all are shortened:
https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook"""

SEAWEEDFS_VERSION: Message = {
    "event_type": "create",
    "key": "/buckets/media/uploads/ann/v.txt.versions/v_6713be898b1d3d5840bdf74f3ed94ebe",
    "message": {
        "new_entry": {
            "name": "v_6713be898b1d3d5840bdf74f3ed94ebe",
            "attributes": _SEAWEEDFS_ATTRIBUTES,
            "extended": {
                "Seaweed-X-Amz-ETag": "NWQ0MTQwMmFiYzRiMmE3NmI5NzE5ZDkxMTAxN2M1OTI=",
                "Seaweed-X-Amz-Version-Id": "NjcxM2JlODk4YjFkM2Q1ODQwYmRmNzRmM2VkOTRlYmU=",
            },
        },
        "delete_chunks": True,
        "new_parent_path": "/buckets/media/uploads/ann/v.txt.versions",
        "signatures": [785056038],
    },
}

SEAWEEDFS_MARKER: Message = {
    "event_type": "create",
    "key": "/buckets/media/uploads/ann/v.txt.versions/v_6713be892fd9013672c1b69a7d29eeac",
    "message": {
        "new_entry": {
            "name": "v_6713be892fd9013672c1b69a7d29eeac",
            "attributes": {"mtime": 1795861230, "file_mode": 432, "inode": 5918575092324702446},
            "extended": {
                "Seaweed-X-Amz-Delete-Marker": "dHJ1ZQ==",
                "Seaweed-X-Amz-Version-Id": "NjcxM2JlODkyZmQ5MDEzNjcyYzFiNjlhN2QyOWVlYWM=",
            },
        },
        "delete_chunks": True,
        "new_parent_path": "/buckets/media/uploads/ann/v.txt.versions",
        "signatures": [785056038],
    },
}


def seaweedfs_update(old: Message, new: Message) -> Message:
    """Return SeaweedFS's message about a file that was replaced: what a create message says, twice."""
    whole = changed(new, "event_type", to="update")
    return changed(whole, "message", "old_entry", to=old["message"]["new_entry"])


def seaweedfs_delete(old: Message) -> Message:
    """Return SeaweedFS's message about the deletion of what a create message created."""
    return {**old, "event_type": "delete", "message": {"old_entry": old["message"]["new_entry"]}}


def sns(message: Message) -> Message:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html."""
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:uploads",
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(message),
        "Timestamp": "2026-11-28T10:20:30.405Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLEw6JRN",
        "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-example.pem",
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
    }


def changed(message: Message, *path: str | int, to: object) -> Message:
    """Return a copy of a message with another value in one place."""
    whole = copy.deepcopy(message)
    place: Any = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return whole


def places(message: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 - any JSON
    """Yield the path of every value in a message but the message itself."""
    if path:
        yield path
    if isinstance(message, dict):
        for name, value in message.items():
            yield from places(value, *path, name)
    elif isinstance(message, list):
        for index, value in enumerate(message):
            yield from places(value, *path, index)


ALL: dict[str, Message] = {
    "s3": S3_PUT,
    "s3 in sns": sns(S3_PUT),
    "eventbridge": EVENTBRIDGE_CREATED,
    "eventbridge in sns": sns(EVENTBRIDGE_CREATED),
    "guardduty": GUARDDUTY_SCAN,
    "ceph": CEPH_PUT,
    "minio": MINIO_PUT,
    "rustfs": RUSTFS_PUT,
    "r2": R2_PUT,
    "b2": B2_UPLOAD,
    "seaweedfs": SEAWEEDFS_PUT,
    "seaweedfs, replaced": seaweedfs_update(SEAWEEDFS_VERSION, SEAWEEDFS_PUT),
}
