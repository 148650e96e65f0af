// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.lang.foreign.MemorySegment;

/**
 * One filled buffer, as a filter sees it: a run of {@link #size} bytes, counted from 0, that lie in one or more slices.
 * The first filter of a chain sees one slice, the whole frame; a later one sees what the filter before it kept and
 * emitted, end to end.
 *
 * <p>A frame is lent for the length of one call: it is another frame's the next time. Nothing in it may be kept.
 */
public interface Frame {

    /** Bytes that this filter sees. */
    long size();

    /** Number of slices that hold them, in order. */
    int sliceCount();

    /** The memory, read only, that slice {@code index} is a part of: the frame's buffer, or what a filter emitted. */
    MemorySegment memory(int index);

    /** Where slice {@code index} starts in its {@link #memory}, in bytes. */
    long sliceOffset(int index);

    /** Length of slice {@code index} in bytes, more than 0. */
    long sliceLength(int index);

    /** Number of the frame at its source, from 0, counting by 1. */
    long sequence();

    /** When the DMA engine completed it: nanoseconds since 1970-01-01 UTC, by the device's clock. */
    long timeNanos();

    /** Position of the frame's first byte in everything the source has produced, lost bytes included. */
    long sourceOffset();

    /**
     * Bytes that were lost between what this filter saw before and this frame: more than 0 is a gap, which a filter that
     * remembers earlier samples must not bridge. What an earlier filter left out by choice is no gap.
     */
    long lostBytes();
}
