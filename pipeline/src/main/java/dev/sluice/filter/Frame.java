// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.lang.foreign.MemorySegment;

/**
 * One filled buffer, as a filter sees it: a run of {@link #size} bytes, counted from 0, that lie in one or more slices of
 * the buffer. The first filter of a chain sees one slice, the whole frame; a later one sees what the filter before it
 * kept, end to end.
 *
 * <p>A frame is lent for the length of one call: it is another frame's the next time. Nothing in it may be kept.
 */
public interface Frame {

    /** Bytes that this filter sees. */
    long size();

    /** Number of slices that hold them, in order. */
    int sliceCount();

    /** Where slice {@code index} starts in {@link #memory}, in bytes. */
    long sliceOffset(int index);

    /** Length of slice {@code index} in bytes, more than 0. */
    long sliceLength(int index);

    /** The frame's buffer, read only. The offsets of slices count from its start. */
    MemorySegment memory();

    /** Number of the frame at its source, from 0, counting by 1. */
    long sequence();

    /** When the DMA engine completed it: nanoseconds since 1970-01-01 UTC, by the device's clock. */
    long timeNanos();

    /** Position of the frame's first byte in everything the source has produced, lost bytes included. */
    long sourceOffset();

    /** Bytes that the source lost between the frame before and this one. */
    long lostBytes();
}
