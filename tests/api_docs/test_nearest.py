"""Baselines that copy."""

from __future__ import annotations

from typing import Any

import pytest

from lmworks_api_docs.nearest import nearest, pieces, shares_most


def conversation(service: str, operation: str, parameters: str) -> dict[str, Any]:
    question = f"Document the operation {operation} of {service}. It takes these parameters: {parameters}."
    return {"service": service, "operation": operation, "messages": [{"role": "user", "content": question}]}


KNOWN = [
    conversation("S3", "ListBuckets", "MaxBuckets, Prefix"),
    conversation("S3", "CreateBucket", "ACL, Bucket"),
    conversation("RDS", "CreateDBSnapshot", "DBInstanceIdentifier, DBSnapshotIdentifier"),
    conversation("RDS", "CopyDBSnapshot", "SourceDBSnapshotIdentifier"),
    conversation("SQS", "CreateQueue", "QueueName, Attributes"),
]


def test_pieces_of_names_and_words_meet() -> None:
    assert pieces("CopiesDBSnapshot") == pieces("copy DB snapshots") == ["cop", "db", "snapshot"]
    assert pieces("GetJSON2XMLFor, an s.") == ["get", "json", "2", "xml", "for", "an", "s"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (conversation("Lightsail", "CreateBucket", "bucketName, tags"), "CreateBucket"),
        (conversation("DocDB", "CopyDBClusterSnapshot", "SourceDBClusterSnapshotIdentifier"), "CopyDBSnapshot"),
        (conversation("Connect", "CreateQueue", "Name"), "CreateQueue"),
    ],
)
def test_nearest_operation_is_the_one_of_like_name(operation: dict[str, Any], expected: str) -> None:
    (found,) = nearest([operation], KNOWN)
    assert KNOWN[found]["operation"] == expected


def test_operation_counts_more_than_the_words_around_it() -> None:
    wordy = {**KNOWN[4], "messages": [{"role": "user", "content": "Create, DB, instance, snapshot, identifier"}]}
    assert nearest([wordy], KNOWN) == [4]


def test_rare_words_count_more_than_common_ones() -> None:
    known = [conversation("", name, "") for name in ("ListKeys", "ListItems", "GetZebra", "ListOrders")]
    assert nearest([conversation("", "ListZebras", "")], known) == [2]


def test_a_long_question_is_no_nearer_for_being_long() -> None:
    known = [
        conversation("S3", "CreateBucket", "Bucket, Zone, Colour, Grant"),
        conversation("S3", "CreateBucket", "Bucket"),
    ]
    assert nearest([known[1]], known) == [1]


def test_the_first_is_taken_when_nothing_is_alike() -> None:
    assert nearest([{"service": "", "operation": "", "messages": [{"content": "Zq?"}]}], KNOWN) == [0]


def test_the_name_that_shares_most_with_the_question_is_taken_and_the_shorter_of_equals() -> None:
    names = ["CopyDBSnapshot", "CreateDBSnapshot", "CreateDBClusterSnapshot", "DeleteDBCluster"]
    assert shares_most("Which operation creates a DB snapshot?", names) == 1
    assert shares_most("Which operation of RDS deletes clusters?", names) == 3
    assert shares_most("Who knows?", names) == 0
