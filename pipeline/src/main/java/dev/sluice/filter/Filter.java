// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

/** Decides, frame by frame, which bytes go on. Called by one thread at a time, in stream order. */
@FunctionalInterface
public interface Filter extends AutoCloseable {

    /**
     * Looks at a frame and names what to keep. It must not block: the whole stream waits for it.
     *
     * @throws Exception anything thrown ends the pipeline with a message that names the filter; no buffer is lost
     */
    void filter(Frame frame, Kept kept) throws Exception;

    /** The stream has ended, well or not. */
    @Override
    default void close() {}
}
