// SPDX-License-Identifier: Apache-2.0
package dev.sluice.metrics;

/** What one sink counts. All are written by its stream's thread, but {@link #reconnects} (the sink's actor). */
public final class SinkCounters {

    /** Bytes that the filters before it kept. */
    public final Counter kept = new Counter();

    /** Frames that the sink is done with: the kernel has taken them whole, or they were written. */
    public final Counter framesSent = new Counter();

    /** Frames that were dropped, since the sink was full ({@code when-full}). */
    public final Counter framesDropped = new Counter();

    /** Kept bytes in them. */
    public final Counter dropped = new Counter();

    /** Frames that were begun again on a new connection. */
    public final Counter framesRepeated = new Counter();

    /** Bytes handed over that the receiver's TCP had not acknowledged when their connection broke. */
    public final Counter unconfirmed = new Counter();

    /** Connections made after the first. */
    public final Counter reconnects = new Counter();

    /** How the sink's bytes left. */
    public final SendCounters send = new SendCounters();
}
