// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import java.io.IOException;

/**
 * How somebody else's character device speaks of its buffers: which are filled, and how one is given back to the DMA
 * engine. Its memory is mapped already. Called by one thread at a time, and never while a call may block: what waits is
 * {@link #readyFd}.
 *
 * <p>A buffer is the engine's from {@link #arm} until it is reported to {@link Filled}, and the pipeline's from then until
 * it is armed again. Who owns which is kept by {@link MappedDevice}, and a step out of turn is refused.
 */
public interface DeviceProtocol extends AutoCloseable {

    /** A descriptor that polls as readable while {@link #collect} has something to report. It stays the protocol's. */
    int readyFd();

    /** Lets the engine run. Every buffer is armed after this. */
    void start() throws IOException;

    /** Halts the engine: when this returns, it writes to no buffer. Once after {@link #start}; then only {@link #close}. */
    void stop();

    /** The engine may write to this buffer from now on, and will fill it after those armed before. */
    void arm(int buffer) throws IOException;

    /**
     * Reports every buffer that was filled since the last call, in the order in which they were armed. A report out of that
     * order, or of a length that no buffer has, ends the pipeline.
     *
     * @return false if there will be no more
     */
    boolean collect(Filled filled) throws IOException;

    @Override
    void close();

    /** Where filled buffers are reported. */
    interface Filled {
        /**
         * A buffer is filled.
         *
         * @param bytes valid bytes in it, from its start; at least 1
         * @param lostBytes bytes that came before it and found no buffer, if the device knows
         */
        void add(int buffer, long bytes, long lostBytes) throws IOException;
    }
}
