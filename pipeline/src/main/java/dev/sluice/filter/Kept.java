// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

/** Where a filter names the slices of a frame that it keeps. What it does not name is dropped. */
public interface Kept {

    /**
     * Keeps {@code length} bytes from {@code offset} on, counted in the bytes that the filter sees (0 to
     * {@link Frame#size}). Slices are named in rising order and do not overlap; a length of 0 keeps nothing.
     *
     * @throws IllegalArgumentException if the slice lies outside the frame or starts before the end of the last one.
     *     A filter lets it pass: it ends the pipeline with a message that names the filter.
     */
    void keep(long offset, long length);
}
