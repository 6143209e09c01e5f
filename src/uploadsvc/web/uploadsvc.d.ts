/** Creates a client of one service. @param {ClientOptions} [options] */
export function createClient(options?: ClientOptions): Client;
/** Any failure, identified by a stable `code`. */
export class UploadError extends Error {
    /**
     * @param {string} code the problem's `code`, or "network_error", "aborted" (by the page),
     *   "storage_rejected" (by S3), "token_unavailable" (`getToken` failed), "file_unreadable" (changed or
     *   deleted), "checksum_unavailable" (not computable in this browser), "http_error" (response did not come
     *   from the service)
     * @param {string} message
     * @param {{ status?: number, problem?: Problem | null, cause?: unknown, retryAfter?: number,
     *   reason?: string, origin?: string }} [details]
     */
    constructor(code: string, message: string, details?: {
        status?: number;
        problem?: Problem | null;
        cause?: unknown;
        retryAfter?: number;
        reason?: string;
        origin?: string;
    });
    code: string;
    /** HTTP status; 0 without a response. */
    status: number;
    /** The `application/problem+json` response, if there was one. */
    problem: Problem | null;
    /** Seconds to wait, from the service's `Retry-After`. */
    retryAfter: number;
    /** S3's error code, if there was one. */
    reason: string;
    /** Origin that did not respond. */
    origin: string;
}
/**
 * One upload. Await it, or pause, resume and cancel it. `client.upload` returns one.
 * @implements {PromiseLike<Completed>}
 */
export class UploadTask implements PromiseLike<Completed> {
    /** @param {Service} service @param {File | Blob} file @param {UploadRequest & TransferOptions} options */
    constructor(service: Service, file: File | Blob, options: UploadRequest & TransferOptions);
    /** The promise behind `then`. */
    promise: Promise<Completed>;
    get file(): Blob | File;
    get state(): UploadStatus;
    /** Current progress, as passed to `onProgress`. */
    get progress(): Progress;
    /** Id of the upload; null until it is created. */
    get id(): string | null;
    /**
     * Stops sending and keeps what arrived. Parts on their way still arrive, unless they stall. A file sent in one
     * request is sent again from its start. Does nothing once the upload has ended.
     */
    pause(): void;
    /** Continues a paused upload. */
    resume(): void;
    /**
     * Cancels the upload, even a failed one, and deletes the parts that arrived. Awaiting it throws "aborted".
     * @returns {Promise<void>} settled once the service has answered; if it cannot be reached, the upload expires
     */
    cancel(): Promise<void>;
    /**
     * @template [T=Completed], [E=never]
     * @param {((value: Completed) => T | PromiseLike<T>) | null} [onFulfilled]
     * @param {((reason: any) => E | PromiseLike<E>) | null} [onRejected]
     * @returns {Promise<T | E>}
     */
    then<T = Completed, E = never>(onFulfilled?: ((value: Completed) => T | PromiseLike<T>) | null, onRejected?: ((reason: any) => E | PromiseLike<E>) | null): Promise<T | E>;
    /**
     * @template [E=never]
     * @param {((reason: any) => E | PromiseLike<E>) | null} [onRejected]
     * @returns {Promise<Completed | E>}
     */
    catch<E = never>(onRejected?: ((reason: any) => E | PromiseLike<E>) | null): Promise<Completed | E>;
    /** @param {(() => void) | null} [onFinally] @returns {Promise<Completed>} */
    finally(onFinally?: (() => void) | null): Promise<Completed>;
    #private;
}
export type ClientOptions = {
    /**
     * URL of the service; the page's own origin by default
     */
    baseUrl?: string | undefined;
    /**
     * returns the
     * current bearer token; called once more with `refresh: true` when the service answers 401
     */
    getToken?: ((options: {
        refresh: boolean;
    }) => string | null | Promise<string | null>) | undefined;
    /**
     * "include" to send cookies to a service on another origin.
     * S3 never receives a cookie or the token.
     */
    credentials?: RequestCredentials | undefined;
    /**
     * where unfinished uploads are saved: `localStorage` by default, if
     * available; null saves nothing. Tokens and URLs are never saved.
     */
    storage?: Memory | null | undefined;
    /**
     * name of the current user, where several people share a browser: uploads saved in
     * one scope are not offered in another
     */
    scope?: string | undefined;
    /**
     * files to upload at a time; unlimited by default
     */
    maxUploads?: number | undefined;
};
export type Memory = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;
/**
 * what `createClient` returns
 */
export type UploadClient = Client;
/**
 * the last three are final
 */
export type UploadStatus = "queued" | "hashing" | "creating" | "uploading" | "paused" | "completing" | "stored" | "failed" | "cancelled";
export type Progress = {
    /**
     * bytes of the file; may go down when some must be sent again
     */
    loaded: number;
    /**
     * bytes; equal to `loaded` once all are sent
     */
    total: number;
    /**
     * bytes per second over the last seconds; null while unknown
     */
    rate: number | null;
    /**
     * seconds at that rate; null while unknown
     */
    remaining: number | null;
    /**
     * seconds since the last bytes were sent; reported every second while S3 takes none
     */
    idle: number;
};
/**
 * a failed request that will be sent again
 */
export type Retry = {
    /**
     * number of consecutive failures
     */
    attempt: number;
    /**
     * seconds until the next try; less if the browser comes back online
     */
    delay: number;
    error: UploadError;
};
/**
 * checksums that this module computes
 */
export type OwnAlgorithm = "crc32" | "sha256";
/**
 * body of `POST /v1/uploads`; the service chooses what is omitted
 */
export type UploadRequest = {
    /**
     * by default, the file's, with its folders (`photos/2026/a.jpg`) if it was
     * chosen in one; they are kept if the policy has `keeps_folders`
     */
    filename?: string | null | undefined;
    /**
     * by default, the file's, with `charset=utf-8` if it is UTF-8 text
     */
    content_type?: string | null | undefined;
    policy?: string | null | undefined;
    method?: "auto" | "put" | "post" | "multipart" | null | undefined;
    relative_key?: string | null | undefined;
    metadata?: Record<string, string> | null | undefined;
    /**
     * checksum for S3 to verify: an algorithm, to have it
     * computed here, or the value for the whole file (checksums of parts are computed here)
     */
    checksum?: OwnAlgorithm | Checksum | null | undefined;
    overwrite?: boolean | null | undefined;
    /**
     * seconds
     */
    expires_in?: number | null | undefined;
};
export type TransferOptions = {
    /**
     * cancels the upload, as `cancel` does
     */
    signal?: AbortSignal | undefined;
    onProgress?: ((progress: Progress) => void) | undefined;
    /**
     * called at each change
     */
    onState?: ((state: UploadStatus) => void) | undefined;
    onRetry?: ((retry: Retry) => void) | undefined;
    /**
     * parts to send at a time; 4 by default
     */
    concurrency?: number | undefined;
    /**
     * consecutive retries of a request before the upload fails; 12 by default, which
     * take some minutes. Retries while the browser is offline do not count.
     */
    retries?: number | undefined;
    /**
     * seconds without activity after which a request fails; 60 by default
     */
    timeout?: number | undefined;
};
/**
 * the value is in base64
 */
export type Checksum = {
    algorithm: string;
    value: string;
};
export type ListedObject = {
    key: string;
    size: number;
    etag: string;
    last_modified: string;
};
export type StoredObject = ListedObject & {
    bucket: string;
    content_type: string;
    version_id: string | null;
    checksum: Checksum | null;
    metadata: Record<string, string>;
};
export type Completed = {
    object: StoredObject;
    receipt: string;
    replaceable_until: string | null;
};
export type SignedPart = {
    part_number: number;
    size: number;
    url: string;
    headers: Record<string, string>;
};
export type UploadBase = {
    id: string;
    key: string;
    expires_at: string;
    upload_expires_at: string;
};
export type PutUpload = UploadBase & {
    method: "put";
    url: string;
    headers: Record<string, string>;
};
export type PostUpload = UploadBase & {
    method: "post";
    url: string;
    fields: Record<string, string>;
};
export type MultipartUpload = UploadBase & {
    method: "multipart";
    part_size: number;
    part_count: number;
    parts: SignedPart[];
};
export type Upload = PutUpload | PostUpload | MultipartUpload;
/**
 * response of `GET /v1/uploads/{id}`
 */
export type UploadState = {
    status: "pending" | "uploading" | "stored" | "aborted";
    key: string;
    part_size: number | null;
    part_count: number | null;
    /**
     * parts that arrived
     */
    parts: {
        part_number: number;
        size: number;
        etag: string;
    }[] | null;
};
/**
 * a multipart upload started in this browser; upload the same file with the same
 * options to resume it
 */
export type Unfinished = {
    id: string;
    /**
     * the whole object key
     */
    key: string;
    filename: string;
    /**
     * the file with its folders, to pass as `filename`; null if it was not in one
     */
    path: string | null;
    content_type: string;
    /**
     * bytes
     */
    size: number;
    /**
     * `File.lastModified`, in milliseconds
     */
    last_modified: number;
    policy: string | null;
    relative_key: string | null;
    /**
     * the algorithm to pass again; null if none was named
     */
    checksum: OwnAlgorithm | null;
    started_at: string;
    /**
     * end of the time in which it can be resumed
     */
    expires_at: string;
};
/**
 * rules for one kind of upload; sizes are in bytes, durations in seconds
 */
export type Policy = {
    name: string;
    min_size: number;
    max_size: number;
    /**
     * media types and ranges, such as `image/*`
     */
    content_types: string[];
    methods: ("put" | "post" | "multipart")[];
    expires_in: number;
    max_expires_in: number;
    /**
     * whether requests may set `relative_key`
     */
    client_keys: boolean;
    /**
     * whether keys keep the folders of `filename`
     */
    keeps_folders: boolean;
    overwrite: boolean;
    /**
     * names that requests may set
     */
    metadata: string[];
    checksum: "off" | "optional" | "required";
    checksum_algorithms: string[];
};
export type Problem = {
    type: string;
    title: string;
    status: number;
    detail?: string;
    code: string;
    errors?: {
        field: string;
        detail: string;
    }[];
    quota?: ExceededQuota;
};
/**
 * the quota that an upload does not fit into, with `quota_exceeded`
 */
export type ExceededQuota = {
    name: "bytes_per_day" | "unfinished_uploads";
    /**
     * bytes, or uploads
     */
    limit: number;
    /**
     * bytes, or uploads
     */
    left: number;
    /**
     * when the upload would fit; null if it never does
     */
    frees_at: string | null;
};
/**
 * shared by a client and its uploads
 */
export type Service = {
    api: Api;
    resumeStore: ResumeStore;
    checksums: ChecksumWorker;
    slots: Semaphore;
    /**
     * origins, of the service and of S3, whose responses this page could read
     */
    answered: Set<string>;
};
/**
 * `TransferOptions` with defaults filled in
 */
export type TaskOptions = {
    onProgress: ((progress: Progress) => void) | undefined;
    onState: ((state: UploadStatus) => void) | undefined;
    onRetry: ((retry: Retry) => void) | undefined;
    concurrency: number;
    retries: number;
    timeout: number;
};
export type StorageRequest = {
    method: string;
    url: string;
    headers?: Record<string, string>;
    body: Blob | FormData;
};
/** Uploads files and manages the caller's uploads and objects. Its methods may be detached from it. */
declare class Client {
    /** @param {ClientOptions} options */
    constructor(options: ClientOptions);
    /**
     * Uploads one file: creates an upload, sends the bytes to S3, and has the service verify the object.
     * Resumes a multipart upload of the same file that this browser started before.
     * @param {File | Blob} file
     * @param {UploadRequest & TransferOptions} [options]
     * @returns {UploadTask} resolves to the object and a `receipt`, a JWT that your backend can verify
     */
    upload: (file: File | Blob, options?: UploadRequest & TransferOptions) => UploadTask;
    /**
     * Lists the uploads that this browser can resume and this page is not running, latest first.
     * @returns {Unfinished[]}
     */
    unfinished: () => Unfinished[];
    /**
     * Stops offering an unfinished upload. Its parts stay in S3 until they expire.
     * @param {string} id
     * @returns {void}
     */
    forget: (id: string) => void;
    /**
     * Aborts an unfinished upload: S3 deletes its parts.
     * @param {string} id
     * @returns {Promise<void>}
     */
    discard: (id: string) => Promise<void>;
    /**
     * Lists the caller's upload policies, to show and check before sending a file.
     * @param {{ signal?: AbortSignal }} [options]
     * @returns {Promise<Policy[]>}
     */
    listPolicies: ({ signal }?: {
        signal?: AbortSignal;
    }) => Promise<Policy[]>;
    /**
     * Returns the current state of an upload.
     * @param {string} id
     * @returns {Promise<UploadState>}
     */
    getUpload: (id: string) => Promise<UploadState>;
    /**
     * Lists a page of the caller's objects. Pass `cursor` back for the next page, until it is null.
     * @param {{ prefix?: string, cursor?: string | null, limit?: number, signal?: AbortSignal }} [options]
     * @returns {Promise<{ objects: ListedObject[], cursor: string | null }>}
     */
    listObjects: ({ prefix, cursor, limit, signal }?: {
        prefix?: string;
        cursor?: string | null;
        limit?: number;
        signal?: AbortSignal;
    }) => Promise<{
        objects: ListedObject[];
        cursor: string | null;
    }>;
    /**
     * Deletes an object.
     * @param {string} key the whole key
     * @returns {Promise<void>}
     */
    deleteObject: (key: string) => Promise<void>;
    /**
     * Deletes up to 1,000 objects. A result with a `problem` says why its object is not deleted.
     * @param {string[]} keys the whole keys
     * @returns {Promise<{ results: { key: string, problem?: Problem }[] }>}
     */
    deleteObjects: (keys: string[]) => Promise<{
        results: {
            key: string;
            problem?: Problem;
        }[];
    }>;
    /**
     * Returns a temporary URL for one object, valid for anyone who has it.
     * @param {string} key the whole key
     * @param {{ disposition?: "inline" | "attachment", filename?: string, expires_in?: number }} [options]
     * @returns {Promise<{ url: string, expires_at: string }>}
     */
    download: (key: string, options?: {
        disposition?: "inline" | "attachment";
        filename?: string;
        expires_in?: number;
    }) => Promise<{
        url: string;
        expires_at: string;
    }>;
    #private;
}
/** Calls the service, and refreshes the token when it has expired. */
declare class Api {
    /** @param {ClientOptions} options @param {Set<string>} answered gains the service's origin */
    constructor({ baseUrl, getToken, credentials }: ClientOptions, answered: Set<string>);
    /** URL of the service. */
    get base(): string;
    /**
     * @param {string} method @param {string} path
     * @param {{ body?: object, signal?: AbortSignal, timeout?: number, refresh?: boolean }} [options]
     * @returns {Promise<any>}
     */
    call(method: string, path: string, options?: {
        body?: object;
        signal?: AbortSignal;
        timeout?: number;
        refresh?: boolean;
    }): Promise<any>;
    #private;
}
/** Saves unfinished uploads by the fingerprint of their file, as far as the browser permits. */
declare class ResumeStore {
    /** @param {Memory | null | undefined} storage @param {string} scope */
    constructor(storage: Memory | null | undefined, scope: string);
    /**
     * Reserves a fingerprint for one task: a file chosen twice at the same time is two uploads.
     * @param {string} fingerprint @returns {boolean} whether it was free
     */
    claim(fingerprint: string): boolean;
    /** @param {string} fingerprint */
    release(fingerprint: string): void;
    /** @param {string} fingerprint @returns {Unfinished | null} */
    get(fingerprint: string): Unfinished | null;
    /** @param {string} fingerprint @param {Unfinished} upload */
    set(fingerprint: string, upload: Unfinished): void;
    /** @param {string} id */
    forget(id: string): void;
    /** Lists uploads that this page is not running, latest first; forgets expired ones. @returns {Unfinished[]} */
    list(): Unfinished[];
    #private;
}
/** Computes checksums in a worker, or in the page if its security policy forbids workers. */
declare class ChecksumWorker {
    /** @param {OwnAlgorithm} algorithm @param {Blob} blob @returns {Promise<string>} */
    compute(algorithm: OwnAlgorithm, blob: Blob): Promise<string>;
    #private;
}
/** Limits the number of concurrent tasks. */
declare class Semaphore {
    /** @param {number} count */
    constructor(count: number);
    /** @param {AbortSignal} signal @returns {Promise<void>} */
    acquire(signal: AbortSignal): Promise<void>;
    release(): void;
    #private;
}
export {};
