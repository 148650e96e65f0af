// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.lang.foreign.MemorySegment;
import java.util.List;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;

/**
 * Picks the transports of one sink's connections. A connection begins with what copies, over which its ends agree on what
 * they want; then it gets the one that frames are sent over. Any thread; each transport belongs to one at a time.
 */
public final class Transports implements AutoCloseable {

    /**
     * What a sink asks of its transport.
     *
     * @param choice what the user wrote
     * @param thresholdBytes a frame whose stretches are shorter than this on average is sent plainly: pinning pages
     *     costs more than copying a few bytes
     * @param plainAfterCopied after this many sends in a row that the kernel says it copied the connection goes on with plain
     *     sends; 0 never does
     */
    public record Options(TransportChoice choice, long thresholdBytes, int plainAfterCopied) {}

    private final Options options;
    private final SendCounters counters;
    private final Rings rings;

    /**
     * For connections that send from some memory.
     *
     * @param memory that frames lie in; unmapped only after this is closed
     * @param counters of the sink; they outlive the connections
     */
    public Transports(Options options, List<MemorySegment> memory, SendCounters counters) {
        this.options = options;
        this.counters = counters;
        rings = new Rings(memory);
    }

    /**
     * Takes a freshly connected socket over.
     *
     * @param tls encrypts what is sent, which copies it whatever the options say; null to send it as it is
     */
    public Transport open(TcpSocket socket, @Nullable SSLEngine tls) {
        if (tls != null) {
            counters.plainReason("tls encrypts, and so copies");
            counters.transport("tls", "");
            return new TlsTransport(socket, tls, counters);
        }
        return new CopyTransport(socket, counters);
    }

    /**
     * What frames are sent over. A transport that cannot be had gives way to the next one, with the reason in the
     * counters: {@code uring} to {@code zerocopy}, and that to {@code copy}.
     *
     * @param opened of {@link #open}; not to be used any more if another takes its place
     */
    public Transport forFrames(Transport opened) {
        if (!(opened instanceof CopyTransport plain)) {
            return opened;
        }
        if (options.choice() == TransportChoice.COPY) {
            counters.plainReason("transport = copy");
            counters.transport("copy", "");
            return opened;
        }
        String instead = "";
        if (options.choice() == TransportChoice.URING) {
            try {
                Rings.Ring ring = rings.take();
                counters.transport("uring", "");
                counters.plainReason("");
                return new UringTransport(plain.socket, ring, rings, options, counters);
            } catch (Rings.UnavailableException e) {
                instead = "instead of uring: " + e.getMessage();
            }
        }
        int refused = -plain.socket.enableZerocopy();
        if (refused != 0) {
            counters.plainReason("the socket refuses SO_ZEROCOPY: " + LinuxException.describe(refused));
            counters.transport("copy", instead);
            return opened;
        }
        counters.plainReason("");
        counters.transport("zerocopy", instead);
        return new ZerocopyTransport(plain.socket, options, counters);
    }

    /** The memory is no longer registered, but for what is still sent from it. */
    @Override
    public void close() {
        rings.close();
    }
}
