export function isOver({ state }: {
    state: UploadStatus;
}): boolean;
export function isActive(item: {
    state: UploadStatus;
}): boolean;
/** Uploads files a few at a time, and notifies listeners of every change. Its methods may be detached from it. */
export class UploadQueue {
    /** @param {QueueOptions} [options] of the client and of every upload, and callbacks */
    constructor(options?: QueueOptions);
    /** The client that uploads. It is created on first use, so that a server can create a queue. @returns {UploadClient} */
    get client(): UploadClient;
    /** Replaces the callbacks, and the options of files that are added later. The client stays the same. @param {QueueOptions} options */
    configure: (options: QueueOptions) => void;
    /** Calls a listener after every change. @param {() => void} listener @returns {() => void} unsubscribes */
    subscribe: (listener: () => void) => () => void;
    /** The current state: the same object until something changes. */
    snapshot: () => QueueSnapshot;
    /** Adds files and starts them. @param {Iterable<Added>} files @returns {string[]} their ids */
    add: (files: Iterable<Added>) => string[];
    /** @param {string} id */
    pause: (id: string) => void | undefined;
    /** @param {string} id */
    resume: (id: string) => void | undefined;
    /** Cancels an upload, and deletes what has arrived. @param {string} id @returns {Promise<void>} */
    cancel: (id: string) => Promise<void>;
    /** Retries a failed upload, unless it was added as refused. Parts that have arrived are not sent again. @param {string} id */
    retry: (id: string) => void;
    /** Removes a file from the queue, and cancels its upload if it is running. @param {string} id */
    remove: (id: string) => void;
    pauseAll: () => void;
    resumeAll: () => void;
    cancelAll: () => Promise<void>;
    /** Removes stored, failed and cancelled files from the queue. */
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
 * one file of the queue. Each change creates a new object; `id` stays the same.
 */
export type QueueItem = {
    id: string;
    file: File | Blob;
    /**
     * the file's name, with its folders if it has any
     */
    name: string;
    /**
     * note to show beside the name
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
     * bytes of all files except failed and cancelled ones
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
     * number of stored files
     */
    stored: number;
    /**
     * number of failed files
     */
    failed: number;
    /**
     * number of cancelled files
     */
    cancelled: number;
    /**
     * whether an upload is waiting or running
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
     * when no upload is waiting, running or paused any more
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
     * its path in a folder
     */
    path?: string | undefined;
    /**
     * name to show instead of its path
     */
    name?: string | undefined;
    /**
     * note to show beside the name
     */
    note?: string | undefined;
    /**
     * options of this file, which override the queue's
     */
    options?: FileOptions | undefined;
    /**
     * error with which it fails at once; nothing is sent
     */
    refused?: UploadError | undefined;
};
export type Added = File | Blob | AddedFile;
import { UploadError } from "./uploadsvc.js";
