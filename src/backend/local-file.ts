/** A source that is a file below the root of a location on this machine. */
export interface LocalFile {
  location: string;
  root: string;
  key: string;
  version: string;
  /** Its name goes afterwards, so the file itself may get the new one. */
  moved?: boolean;
  /** Called before it gets a second name, and so another version, whatever comes of it. */
  onLink?: () => void;
}
