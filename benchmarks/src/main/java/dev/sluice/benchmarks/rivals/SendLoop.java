// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

/** Sends frames of a ring over one connection, round and round, from when it was made until it is told to finish. */
interface SendLoop {

    /** Payload bytes handed to the kernel so far. Any thread. */
    long sentBytes();

    /** Of these, bytes that the kernel copied though it was asked not to, as far as it says. */
    default long copiedBytes() {
        return 0;
    }

    /**
     * Ends the stream after a whole frame and waits until the receiver has closed the connection.
     *
     * @return all payload bytes that were sent
     */
    long finish() throws Exception;

    /** Makes one. */
    @FunctionalInterface
    interface Start {
        SendLoop on(Ring ring, int port) throws Exception;
    }
}
