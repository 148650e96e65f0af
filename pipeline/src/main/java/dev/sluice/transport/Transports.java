// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import dev.sluice.linux.LinuxException;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;

/** Picks the transport for a freshly connected socket. */
public final class Transports {

    private Transports() {}

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

    /**
     * Takes the socket over. A socket that refuses SO_ZEROCOPY gets {@code copy}, with the reason in the counters.
     *
     * @param tls encrypts what is sent, which copies it whatever the options say; null to send it as it is
     * @param counters of the sink; they outlive the connection
     */
    public static Transport open(TcpSocket socket, Options options, @Nullable SSLEngine tls, SendCounters counters) {
        if (tls != null) {
            counters.plainReason("tls encrypts, and so copies");
            return new TlsTransport(socket, tls, counters);
        }
        if (options.choice() == TransportChoice.COPY) {
            counters.plainReason("transport = copy");
            return new CopyTransport(socket, counters);
        }
        int refused = -socket.enableZerocopy();
        if (refused != 0) {
            counters.plainReason("the socket refuses SO_ZEROCOPY: " + LinuxException.describe(refused));
            return new CopyTransport(socket, counters);
        }
        counters.plainReason("");
        return new ZerocopyTransport(socket, options, counters);
    }
}
