// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a sink speaks to its receivers.
 *
 * @param delivery what it does about a connection that breaks; RESUME only with {@code framing = sluice}
 * @param checksums whether each frame carries a CRC-32C of its payload
 * @param handshakeTimeout what it may take until a connection is ready for frames
 * @param peerTimeout how long a peer may say nothing before it is taken for dead; only with {@code framing = sluice}
 * @param key what both ends must prove to have; null if anybody will do. Only with {@code framing = sluice}
 * @param tls what encrypts the connection; null if nothing does
 */
public record Session(
        Framing framing,
        Delivery delivery,
        boolean checksums,
        Duration handshakeTimeout,
        Duration peerTimeout,
        @Nullable KeyFile key,
        @Nullable TlsFiles tls) {

    /** In the time after which a silent peer is taken for dead, each end says so often that somebody is here. */
    public static final int PULSES = 3;

    /**
     * Looks at the files that it names.
     *
     * @throws IOException with one sentence, if one cannot be used
     */
    public void check() throws IOException {
        if (key != null) {
            key.read();
        }
        if (tls != null) {
            tls.check();
        }
    }

    public boolean framed() {
        return framing == Framing.SLUICE;
    }

    public boolean resumes() {
        return delivery == Delivery.RESUME;
    }
}
