/**
 * The name of a header as a target behind CGI may see it: RFC 3875 §4.1.18 makes an underscore of a hyphen, and
 * servers differ in what else they make one. So every character but letters and digits counts as a hyphen.
 */
export function foldedName (name: string): string {
  const lower = name.toLowerCase()
  return /[^a-z0-9-]/.test(lower) ? lower.replace(/[^a-z0-9-]/g, '-') : lower
}
