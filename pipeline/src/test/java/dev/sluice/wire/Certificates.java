// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Certificates for tests, made as a user would: with openssl. */
public final class Certificates {

    private static final List<String> ELLIPTIC = List.of("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1");

    private final Path folder;

    /** @param folder of the test; files are made in it */
    public Certificates(Path folder) {
        this.folder = folder;
    }

    /** Who signs others' certificates: {@code NAME.pem}, {@code NAME.key}. */
    public Path authority(String name) throws IOException {
        List<String> command = new ArrayList<>(List.of("openssl", "req", "-x509", "-nodes", "-days", "2"));
        command.addAll(ELLIPTIC);
        command.addAll(List.of("-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".pem"));
        run(command);
        return folder.resolve(name + ".pem");
    }

    /**
     * What an end has.
     *
     * @param names that it is known by: {@code DNS:host} or {@code IP:address}
     * @param key what kind: {@code ec} or {@code rsa}
     */
    public TlsFiles end(String name, String names, String authority, String key) throws IOException {
        List<String> command = new ArrayList<>(List.of("openssl", "req", "-x509", "-nodes", "-days", "2"));
        command.addAll(key.equals("rsa") ? List.of("-newkey", "rsa:2048") : ELLIPTIC);
        command.addAll(List.of("-subj", "/CN=" + name, "-addext", "subjectAltName=" + names));
        command.addAll(List.of("-addext", "basicConstraints=critical,CA:FALSE"));
        command.addAll(List.of("-CA", authority + ".pem", "-CAkey", authority + ".key"));
        command.addAll(List.of("-keyout", name + ".key", "-out", name + ".pem"));
        run(command);
        return new TlsFiles(folder.resolve(name + ".pem"), folder.resolve(name + ".key"), null);
    }

    /** In the folder. */
    public void run(List<String> command) throws IOException {
        Path log = folder.resolve("openssl.log");
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            if (process.waitFor() != 0) {
                throw new IOException(String.join(" ", command) + ": " + Files.readString(log));
            }
        } catch (InterruptedException e) {
            process.destroy();
            throw new IOException(e);
        }
    }
}
