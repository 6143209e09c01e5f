"""Amazon Resource Names for IAM policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

import re
from typing import Final

_WILDCARDS: Final = re.compile(r"[*?$]")


def partition(region: str) -> str:
    """Return the partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def bucket_arn(bucket: str, *, region: str) -> str:
    """Return the ARN of a bucket."""
    return f"arn:{partition(region)}:s3:::{bucket}"


def objects_arn(bucket: str, *, region: str, prefix: str) -> str:
    """Return the ARN pattern of all objects below a prefix that ends with a slash.

    Characters of the prefix that policies read as wildcards or variables are escaped:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars
    """
    literal = _WILDCARDS.sub(lambda match: f"${{{match[0]}}}", prefix)
    return f"{bucket_arn(bucket, region=region)}/{literal}*"
