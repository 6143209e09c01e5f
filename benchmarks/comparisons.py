"""The ratios of a run, by the names of their targets."""

from typing import Final

from benchmarks.results import Comparison

COMPARISONS: Final = (
    Comparison("put_bare", "PUT / FastAPI alone", "put", "bare", "time"),
    Comparison("put_bare_cpu", "PUT / FastAPI alone, by CPU", "put", "bare", "CPU"),
    Comparison("post_bare", "POST form / FastAPI alone", "post", "bare", "time"),
    Comparison("post_bare_cpu", "POST form / FastAPI alone, by CPU", "post", "bare", "CPU"),
    Comparison("put_aioboto3", "PUT / FastAPI and one aioboto3 client", "put", "aioboto3", "time"),
    Comparison("put_better_upload", "PUT / Better Upload", "put", "better_upload", "time"),
    Comparison("put_better_upload_cpu", "PUT / Better Upload, by CPU", "put", "better_upload", "CPU"),
    Comparison("post_companion", "POST form / Uppy Companion", "post", "companion", "time"),
    Comparison("bare_companion", "FastAPI alone / Uppy Companion", "bare", "companion", "time"),
    Comparison("two_workers", "two workers / one", "two_workers", "put", "time"),
    Comparison("two_workers_cpu", "two workers / one, by CPU", "two_workers", "put", "CPU"),
    # Calls of uploadsvc among themselves, by CPU, which depends less on the machine's other load.
    Comparison("post_put", "POST form / PUT, by CPU", "post", "put", "CPU"),
    Comparison("hs256_new", "HS256, each token new / HS256, by CPU", "hs256_new", "put", "CPU"),
    Comparison("api_key", "API key / HS256, by CPU", "api_key", "put", "CPU"),
    Comparison("cookie", "JWT cookie / HS256, by CPU", "cookie", "put", "CPU"),
    Comparison("proxy_header", "header of a proxy / HS256, by CPU", "proxy_header", "put", "CPU"),
    Comparison("rs256", "JWKS, RS256 / HS256, by CPU", "rs256", "put", "CPU"),
    Comparison("es256", "JWKS, ES256 / HS256, by CPU", "es256", "put", "CPU"),
    Comparison("eddsa", "JWKS, EdDSA / HS256, by CPU", "eddsa", "put", "CPU"),
    Comparison("rs256_new", "JWKS, RS256, each token new / HS256, by CPU", "rs256_new", "put", "CPU"),
    Comparison("es256_new", "JWKS, ES256, each token new / HS256, by CPU", "es256_new", "put", "CPU"),
    Comparison("eddsa_new", "JWKS, EdDSA, each token new / HS256, by CPU", "eddsa_new", "put", "CPU"),
    Comparison("batch_put", "uploads in batches of 100 / one by one, by CPU", "batch", "put", "CPU"),
    Comparison("parts_put", "URLs of 1,000 parts in one call / PUT, by CPU", "parts", "put", "CPU"),
)
