// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

/**
 * How the bytes of one sink left, over all its connections. Every byte that the kernel took is in exactly one of {@link
 * #byReference}, {@link #copied}, {@link #plain} and the bytes still outstanding.
 */
public final class SendCounters {

    /** Bytes handed to the kernel, framing and repeats after a reconnect included. */
    public final Counter sent = new Counter();

    /** Bytes sent with zero-copy whose notification said that no copy was made. */
    public final Counter byReference = new Counter();

    /** Bytes sent with zero-copy whose notification said that the kernel copied them after all. */
    public final Counter copied = new Counter();

    /** Bytes of ordinary sends, which copy. */
    public final Counter plain = new Counter();

    /** Notification ranges read from the error queue, or notifications of io_uring. */
    public final Counter notifications = new Counter();

    /**
     * Sends that the kernel had no memory for (ENOBUFS, ENOMEM): the socket's optmem or the memlock limit is used up by
     * outstanding sends; or operations that io_uring took no more of (EAGAIN, EBUSY).
     */
    public final Counter noBuffers = new Counter();

    private volatile String plainReason = "";
    private volatile String transport = "";
    private volatile String transportReason = "";

    /** What frames are sent over now: {@code uring}, {@code zerocopy}, {@code splice}, {@code copy} or {@code tls}; empty before a connection. */
    public String transport() {
        return transport;
    }

    /** Why it is this one, where nobody asked for it; or empty. */
    public String transportReason() {
        return transportReason;
    }

    /** The transport, with the reason. */
    public String chosen() {
        return transport + (transportReason.isEmpty() ? "" : ", " + transportReason);
    }

    public void transport(String name, String reason) {
        transport = name;
        transportReason = reason;
    }

    /** Why sends are plain now, or empty while they go by reference. */
    public String plainReason() {
        return plainReason;
    }

    public void plainReason(String reason) {
        plainReason = reason;
    }

    /** Bytes whose zero-copy notification has not come. */
    public long outstanding() {
        return sent.value() - byReference.value() - copied.value() - plain.value();
    }
}
