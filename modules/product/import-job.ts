/** The kind of the job that applies a staged catalogue; its id is the import's. */
export const IMPORT_JOB = 'catalogue-import';
