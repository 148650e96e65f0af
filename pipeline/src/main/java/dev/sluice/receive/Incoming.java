// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;

/** One connection from a sender: reads what has come, and waits no longer than it is told. */
interface Incoming extends AutoCloseable {

    /** Told before it waits: whatever is to be said to the sender should be said now. Returns how long to wait at most. */
    @FunctionalInterface
    interface BeforeWaiting {
        Duration longest() throws IOException;
    }

    /** Who sends, for people. */
    Object peer() throws IOException;

    /** What ended it, if not the sender; else empty. */
    String brokenBecause();

    /** Ends it. */
    void breakOff(String because);

    /**
     * Reads what there is, at least one byte.
     *
     * @return false at its end, also if that came otherwise than by being closed
     */
    boolean read(ByteBuffer into, BeforeWaiting waiting) throws IOException;

    /**
     * Sends all of it, or breaks off: the sender must read what it is told. One that is gone is told nothing, and what it sent
     * before can still be read; but with TLS, which is not read without being answered.
     */
    void write(ByteBuffer bytes, Duration longest) throws IOException;

    /** Has it broken off soon, whatever it waits for. Any thread. */
    void interrupt();

    @Override
    void close() throws IOException;
}
