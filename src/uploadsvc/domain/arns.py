"""Names of AWS's resources, as policies write them."""

import re
from typing import Final

_WILDCARDS: Final = re.compile(r"[*?$]")


def partition(region: str) -> str:
    """Return the partition that a region belongs to.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    """
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def objects_arn(*, region: str, bucket: str, prefix: str) -> str:
    """Return what names all objects below a prefix, given with its closing slash.

    Characters of the prefix that a policy would take for wildcards or variables are written as AWS has it:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars
    """
    literal = _WILDCARDS.sub(lambda match: f"${{{match[0]}}}", prefix)
    return f"arn:{partition(region)}:s3:::{bucket}/{literal}*"
