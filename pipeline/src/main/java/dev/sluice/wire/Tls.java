// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;

/**
 * Makes ends of connections with TLS 1.3 (RFC 8446). Whether the files were replaced is looked at for each connection; they
 * are read again only then, since that takes longer than all else. One thread at a time.
 */
public final class Tls {

    static final String PROTOCOL = "TLSv1.3";

    /** What tells a file from the one that takes its place, and from itself with other permissions. */
    private static final String STAMP = "unix:ino,size,lastModifiedTime,ctime";

    /** 0 would be no limit. */
    private static final int SHORTEST_SESSION_SECONDS = 1;

    private final TlsFiles files;
    private @Nullable SSLContext context;
    private List<Map<String, Object>> stamps = List.of();

    public Tls(TlsFiles files) {
        this.files = files;
    }

    /**
     * One end of a connection.
     *
     * @param host that this end connects to; null if it listens
     * @throws IOException with one sentence, if a file is not what it should be
     */
    public SSLEngine engine(@Nullable String host, int port) throws IOException {
        SSLContext current = current();
        SSLEngine engine = host == null ? current.createSSLEngine() : current.createSSLEngine(host, port);
        engine.setUseClientMode(host != null);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setProtocols(new String[] {PROTOCOL});
        if (host == null) {
            parameters.setNeedClientAuth(files.trust() != null);
        } else {
            parameters.setEndpointIdentificationAlgorithm("HTTPS"); // RFC 9110, 4.3.4: the names of a certificate
        }
        engine.setSSLParameters(parameters);
        return engine;
    }

    private SSLContext current() throws IOException {
        List<Map<String, Object>> now = stamps();
        SSLContext known = context;
        if (known == null || !now.equals(stamps)) {
            known = files.context();
            // A session that is resumed passes by the certificates, which may have come to their end meanwhile.
            known.getClientSessionContext().setSessionTimeout(SHORTEST_SESSION_SECONDS);
            known.getServerSessionContext().setSessionTimeout(SHORTEST_SESSION_SECONDS);
            context = known;
            stamps = now;
        }
        return known;
    }

    private List<Map<String, Object>> stamps() {
        List<Map<String, Object>> all = new ArrayList<>();
        for (Path file : files.all()) {
            try {
                all.add(Files.readAttributes(file, STAMP));
            } catch (IOException e) {
                all.add(Map.of("unreadable", System.nanoTime())); // to be read, which says why
            }
        }
        return all;
    }
}
