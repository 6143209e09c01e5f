"""Amazon Resource Names.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""


def partition(region: str) -> str:
    """Return the partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def bucket_arn(bucket: str, *, region: str) -> str:
    """Return the ARN of a bucket; an object's is that, a slash and the key."""
    return f"arn:{partition(region)}:s3:::{bucket}"
