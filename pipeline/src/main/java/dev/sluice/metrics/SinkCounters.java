// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

/**
 * What one sink counts. All are written by its stream's thread, but {@link #reconnects}, {@link #receivers}, {@link
 * #refused} and {@link #handshakesFailed} (the sink's actor). Frames that go to several receivers at once count once for each.
 */
public final class SinkCounters {

    /** Bytes that the filters before it kept. */
    public final Counter kept = new Counter();

    /** Frames that the sink is done with: the kernel has taken them whole, or they were written. */
    public final Counter framesSent = new Counter();

    /** Frames that were dropped, since the sink was full ({@code when-full}). */
    public final Counter framesDropped = new Counter();

    /** Kept bytes in them. */
    public final Counter dropped = new Counter();

    /** Frames that were sent again on a new connection, since the one before did not deliver them. */
    public final Counter framesRepeated = new Counter();

    /** Bytes handed over that the receiver's TCP had not acknowledged when their connection broke. */
    public final Counter unconfirmed = new Counter();

    /** Bytes sent to a receiver that came back without them: lost on their way, and announced to it. */
    public final Counter undelivered = new Counter();

    /** Frames that were not sent, since the receiver had them already from an earlier connection or process. */
    public final Counter framesKnown = new Counter();

    /** Connections that did not become ready for frames: they spoke something else, too slowly, or without the key. */
    public final Counter handshakesFailed = new Counter();

    /** Connections made after the first. */
    public final Counter reconnects = new Counter();

    /** Times that it was started again, since a defect had stopped it. */
    public final Counter restarts = new Counter();

    /** Receivers that connected, if it is they who connect. */
    public final Counter receivers = new Counter();

    /** Connections that were closed at once: the address is not allowed, or there were receivers enough. */
    public final Counter refused = new Counter();

    /** Times that the disk of a file sink was found full, after there had been room. */
    public final Counter diskFull = new Counter();

    /** How the sink's bytes left; what a file sink wrote past the page cache went by reference, the rest is plain. */
    public final SendCounters send = new SendCounters();

    private volatile boolean toFile;
    private volatile String listening = "";

    /** The sink writes to files: other words fit it. */
    public void toFile(boolean writes) {
        toFile = writes;
    }

    public boolean toFile() {
        return toFile;
    }

    /** Where the sink listens. */
    public void listening(String address) {
        listening = address;
    }

    /** Address and port, which the kernel may have chosen; empty as long as, or if, the sink does not listen. */
    public String listening() {
        return listening;
    }
}
