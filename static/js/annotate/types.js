/**
 * Types that the editor's modules share. This file holds no code.
 *
 * @typedef {{xmin: number, ymin: number, xmax: number, ymax: number}} Box
 *   Absolute pixels of the upright image.
 *
 * @typedef {Object} Annotation  A box with what is known of it. Never changed, always replaced.
 * @property {string} id  UUID, made by the client
 * @property {number} label_id
 * @property {number} xmin
 * @property {number} ymin
 * @property {number} xmax
 * @property {number} ymax
 * @property {"active"|"suggested"|"rejected"} status
 * @property {"human"|"import"|"model"|"copied"} source
 * @property {number|null} score  a suggestion's confidence, 0 to 1
 * @property {boolean} difficult
 * @property {boolean} truncated
 * @property {boolean} crowd around many things at once
 *
 * @typedef {Object} Label
 * @property {number} id
 * @property {number} class_id
 * @property {string} name
 * @property {string|null} display_name
 * @property {string} color
 * @property {string|null} hotkey
 * @property {number} box_count
 * @property {boolean} retired
 *
 * @typedef {{id: string, before: Annotation|null, after: Annotation|null, index: number}} Change
 *   `before` null: added; `after` null: removed; `index` is its place in the list.
 *
 * @typedef {{name: string, changes: Change[], mergeKey?: string, at?: number}} Command
 *
 * @typedef {"nw"|"n"|"ne"|"e"|"se"|"s"|"sw"|"w"} Handle
 *
 * @typedef {"new"|"in_progress"|"done"} ImageState
 */
export {};
