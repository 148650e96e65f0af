// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import java.lang.foreign.MemorySegment;

/**
 * Where a filter says what goes on in place of the frame that it sees: slices of the frame, bytes of its own, or both.
 * They go on in the order in which they are named. What is not named is dropped.
 *
 * <p>Of use during the call of {@link Filter#filter} only. What its methods throw a filter lets pass: it ends the pipeline
 * with a message that names the filter.
 */
public interface Kept {

    /**
     * Keeps {@code length} bytes from {@code offset} on, counted in the bytes that the filter sees (0 to
     * {@link Frame#size}). Slices are named in rising order and do not overlap. A length of 0 keeps nothing, and says like any
     * other that nothing before it will be kept, so that frames need not wait for it.
     *
     * <p>A filter with {@link Filter#lookbackBytes} may begin before the frame: -1 is the last byte that it saw before.
     * Of a slice that reaches back to bytes that are not there (the stream had not begun, or the buffers were needed) the
     * rest is kept.
     *
     * @throws IllegalArgumentException if the slice lies outside the frame and the lookback, or starts before the end of
     *     the last one
     */
    void keep(long offset, long length);

    /**
     * Memory for bytes of the filter's own, {@link Filter#scratchBytes} long, page-backed, with arbitrary contents. It
     * belongs to this frame: what is written to it and then {@linkplain #emit emitted} goes on by reference, like the
     * frame's own bytes. For the length of the call; nothing may be written to it later.
     *
     * @throws IllegalStateException if the filter's {@code scratchBytes} is 0
     */
    MemorySegment scratch();

    /**
     * The next {@code length} bytes of {@link #scratch} go on here: the first call's start at 0, the second's where those
     * end, and so on.
     *
     * @throws IllegalArgumentException if that is more than the scratch memory holds
     */
    void emit(long length);

    /**
     * Sets flag {@code number} of the frame, 0 to 7, which {@code framing = sluice} carries in the header. A frame of which
     * nothing is kept is dropped all the same.
     *
     * @throws IllegalArgumentException if there is no such flag
     */
    void tag(int number);
}
