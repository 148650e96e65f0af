// SPDX-License-Identifier: Apache-2.0
package dev.sluice.faults;

import java.time.Duration;

/** What a network does to one direction of a connection. Each begins at a byte: those before it pass untouched. */
public sealed interface Fault {

    /**
     * The next bytes come later than they should. They are still taken from their sender meanwhile, up to what the proxy
     * holds (64 blocks): a long line, where {@link Stall} is a full one.
     */
    record Delay(Duration by, long bytes) implements Fault {}

    /** The next bytes pass at no more than a rate. */
    record Throttle(long bytesPerSecond, long bytes) implements Fault {}

    /** The next bytes pass in tiny writes of 1 to {@code mostBytes} each, with a moment between them. */
    record Fragment(int mostBytes, long bytes) implements Fault {}

    /** Each of the next bytes is changed, by one bit. */
    record Corrupt(long bytes) implements Fault {}

    /** The direction ends, as if its sender had closed it. What that still sends is swallowed; the other direction goes on. */
    record HalfClose() implements Fault {}

    /** Both ends are reset, with whatever was on its way gone. */
    record Reset() implements Fault {}

    /** Nothing passes any more, in either direction, and nobody is told: both connections stay open. */
    record BlackHole() implements Fault {}

    /** Nothing is taken from the sender for a while, so that its queue fills. */
    record Stall(Duration pause) implements Fault {}
}
