export function isOver({ state }: {
    state: UploadStatus;
}): boolean;
export function isActive(item: {
    state: UploadStatus;
}): boolean;
/** Uploads files a few at a time, and tells listeners of every change. Its methods may be detached from it. */
export class UploadQueue {
    /** @param {QueueOptions} [options] of the client, of every upload, and what to call */
    constructor(options?: QueueOptions);
    /** The client that uploads. It is made at the first use, so that a server can make a queue. @returns {UploadClient} */
    get client(): UploadClient;
    /** Replaces what files that are added later are uploaded with, and what is called. The client stays. @param {QueueOptions} options */
    configure: (options: QueueOptions) => void;
    /** Calls a listener after every change. @param {() => void} listener @returns {() => void} stops that */
    subscribe: (listener: () => void) => () => void;
    /** The list as it is. The same object until something changes. */
    snapshot: () => QueueSnapshot;
    /** Adds files and starts them. @param {Iterable<Added>} files @returns {string[]} their ids */
    add: (files: Iterable<Added>) => string[];
    /** @param {string} id */
    pause: (id: string) => void | undefined;
    /** @param {string} id */
    resume: (id: string) => void | undefined;
    /** Cancels an upload, and deletes what arrived. @param {string} id @returns {Promise<void>} */
    cancel: (id: string) => Promise<void>;
    /** Starts a failed upload again; parts that arrived are not sent again. @param {string} id */
    retry: (id: string) => void;
    /** Removes a file from the list, and cancels its upload if that runs. @param {string} id */
    remove: (id: string) => void;
    pauseAll: () => void;
    resumeAll: () => void;
    cancelAll: () => Promise<void>;
    /** Removes what is stored, failed or cancelled from the list. */
    clear: () => void;
    #private;
}
export function createQueue(options?: QueueOptions): UploadQueue;
export type UploadClient = import("./uploadsvc.js").UploadClient;
export type ClientOptions = import("./uploadsvc.js").ClientOptions;
export type Completed = import("./uploadsvc.js").Completed;
export type TransferOptions = import("./uploadsvc.js").TransferOptions;
export type UploadRequest = import("./uploadsvc.js").UploadRequest;
export type UploadStatus = import("./uploadsvc.js").UploadStatus;
export type UploadTask = import("./uploadsvc.js").UploadTask;
/**
 * one file of the list. Each change makes a new object; `id` stays.
 */
export type QueueItem = {
    id: string;
    file: File | Blob;
    /**
     * the file's name, with its folders if it has some
     */
    name: string;
    /**
     * what else to show of it
     */
    note: string;
    state: UploadStatus;
    /**
     * bytes
     */
    loaded: number;
    /**
     * bytes
     */
    total: number;
    /**
     * bytes per second; null while unknown
     */
    rate: number | null;
    /**
     * seconds; null while unknown
     */
    remaining: number | null;
    /**
     * seconds since the last bytes were sent
     */
    idle: number;
    /**
     * why it failed, or is being retried
     */
    error: UploadError | null;
    /**
     * whether `retry` may help
     */
    retryable: boolean;
    /**
     * the object and its receipt
     */
    result: Completed | null;
};
export type QueueSnapshot = {
    items: readonly QueueItem[];
    /**
     * bytes of all files that have not failed and were not cancelled
     */
    loaded: number;
    /**
     * bytes of those
     */
    total: number;
    /**
     * bytes per second of all running uploads
     */
    rate: number;
    /**
     * seconds; null while unknown
     */
    remaining: number | null;
    /**
     * files that S3 has
     */
    stored: number;
    /**
     * files that failed
     */
    failed: number;
    /**
     * files whose upload was cancelled
     */
    cancelled: number;
    /**
     * whether an upload waits or runs
     */
    busy: boolean;
};
export type QueueEvents = {
    /**
     * after each stored file
     */
    onDone?: ((item: QueueItem, result: Completed) => void) | undefined;
    /**
     * after each failed file
     */
    onError?: ((item: QueueItem, error: UploadError) => void) | undefined;
    /**
     * when nothing waits, runs or is paused any more
     */
    onIdle?: ((items: readonly QueueItem[]) => void) | undefined;
};
export type QueueOptions = {
    client?: UploadClient;
} & ClientOptions & QueueEvents & QueueRequest;
export type QueueRequest = Omit<UploadRequest, "filename" | "relative_key"> & Pick<TransferOptions, "concurrency" | "retries" | "timeout">;
export type FileOptions = QueueRequest & Pick<UploadRequest, "relative_key"> & {
    client?: UploadClient;
};
export type AddedFile = {
    file: File | Blob;
    /**
     * its place in a folder
     */
    path?: string | undefined;
    /**
     * what the list calls it, instead of its path
     */
    name?: string | undefined;
    /**
     * what else to show of it
     */
    note?: string | undefined;
    /**
     * those of this file, beside those of the list
     */
    options?: FileOptions | undefined;
    /**
     * why it is not uploaded: it fails with this, and nothing is sent
     */
    refused?: UploadError | undefined;
};
export type Added = File | Blob | AddedFile;
import { UploadError } from "./uploadsvc.js";
