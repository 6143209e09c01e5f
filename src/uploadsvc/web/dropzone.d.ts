/**
 * Returns the files of a drop, including those in dropped folders, each with its path. Call it during the event: the
 * browser empties the drop afterwards.
 * @param {DataTransfer} transfer @returns {Promise<{ file: File, path: string }[]>}
 */
export function droppedFiles(transfer: DataTransfer): Promise<{
    file: File;
    path: string;
}[]>;
export namespace ENGLISH {
    let drop: string;
    let or: string;
    let choose: string;
    let chooseFiles: string;
    let chooseFolder: string;
    let uploads: string;
    let all: string;
    let pause: string;
    let resume: string;
    let retry: string;
    let cancel: string;
    let dismiss: string;
    let pauseAll: string;
    let resumeAll: string;
    let clear: string;
    let action: string;
    let progressOf: string;
    let queued: string;
    let hashing: string;
    let creating: string;
    let uploading: string;
    let rate: string;
    let left: string;
    let retrying: string;
    let stalled: string;
    let unanswered: string;
    let paused: string;
    let pausedEarly: string;
    let completing: string;
    let stored: string;
    let failed: string;
    let cancelled: string;
    let done: Text;
    let failures: Text;
    let cancellations: Text;
    let sent: string;
    let allPaused: string;
    let allResumed: string;
    let changes: Text;
    let folderUnreadable: string;
    let units: string[];
    let seconds: string;
    let minutes: string;
    let hours: string;
}
/** The element. */
export class UploadsvcDropzone extends HTMLElement {
    static observedAttributes: string[];
    /** Returns the current bearer token. @type {QueueOptions["getToken"]} */
    getToken: QueueOptions["getToken"];
    /** Further options of the client and of every upload, such as `metadata`. @type {QueueOptions} */
    options: QueueOptions;
    /**
     * Returns the message for an upload that failed or is retried; without it, or if it returns nothing, the error's own is
     * shown. @type {((error: UploadError, item: QueueItem) => string | null | undefined) | undefined}
     */
    explain: ((error: UploadError, item: QueueItem) => string | null | undefined) | undefined;
    /** The list behind the element. Its `snapshot()` has the files, their states, objects and receipts. */
    get queue(): UploadQueue;
    set strings(strings: Partial<Strings>);
    /** Texts that replace those of `ENGLISH`. @returns {Partial<Strings>} */
    get strings(): Partial<Strings>;
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** @param {string} name */
    attributeChangedCallback(name: string): void;
    /** Adds files as if they were chosen. @param {Iterable<import("./queue.js").Added>} files */
    add(files: Iterable<import("./queue.js").Added>): void;
    #private;
}
export type QueueItem = import("./queue.js").QueueItem;
export type QueueOptions = import("./queue.js").QueueOptions;
export type AddedFile = import("./queue.js").AddedFile;
export type UploadError = import("./uploadsvc.js").UploadError;
/**
 * text with
 * `{placeholders}`; as an object, one for each plural category of `{count}` (`Intl.PluralRules`)
 */
export type Text = string | (Partial<Record<Intl.LDMLPluralRule, string>> & {
    other: string;
});
export type Strings = typeof ENGLISH;
export type Row = {
    row: HTMLElement;
    state: HTMLElement;
    progress: HTMLProgressElement;
    toggle: HTMLButtonElement;
    end: HTMLButtonElement;
    /**
     * as it was rendered
     */
    item: QueueItem;
};
import { UploadQueue } from "./queue.js";
