// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

/**
 * Decides, frame by frame, which bytes go on. Called by one thread at a time, in stream order. One filter serves one
 * stream, from one source by one way, so it may remember what it saw; where its node takes frames from several nodes,
 * each way gets a filter of its own.
 */
@FunctionalInterface
public interface Filter extends AutoCloseable {

    /**
     * Looks at a frame and names what goes on. It must not block: the whole pipeline waits for it.
     *
     * @throws Exception anything thrown ends the pipeline with a message that names the filter; no buffer is lost
     */
    void filter(Frame frame, Kept kept) throws Exception;

    /**
     * How far before a frame's first byte {@link Kept#keep} may begin, in bytes. Frames wait, with their buffers, until
     * what follows them is that long; so this much of the ring is not the DMA engine's. Asked once, before the first
     * frame.
     */
    default long lookbackBytes() {
        return 0;
    }

    /**
     * The most bytes that are {@linkplain Kept#emit emitted} for one frame. Every buffer of the source gets so much memory
     * beside it. Asked once, before the first frame.
     *
     * @param mostFrameBytes the most bytes that a frame can have which this filter sees
     */
    default long scratchBytes(long mostFrameBytes) {
        return 0;
    }

    /** The stream has ended, well or not. */
    @Override
    default void close() {}
}
