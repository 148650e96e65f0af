// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** A receiver that nobody here made, for one connection with {@code framing = raw}. */
final class RawReceiver implements AutoCloseable {

    private final SluiceProcess process;
    private final Path file;
    private final int port;

    private RawReceiver(SluiceProcess process, Path file, int port) {
        this.process = process;
        this.file = file;
        this.port = port;
    }

    /** Those of socat and nc that are installed; at least one must be. */
    static List<String> installed() {
        List<String> found =
                List.of("socat", "nc").stream().filter(RawReceiver::onPath).toList();
        assertThat(found)
                .as("neither socat nor nc is on the PATH: install one (packages socat, netcat-openbsd)")
                .isNotEmpty();
        return found;
    }

    private static boolean onPath(String program) {
        return Arrays.stream(System.getenv("PATH").split(File.pathSeparator, -1))
                .map(folder -> Path.of(folder, program))
                .anyMatch(Files::isExecutable);
    }

    /** Listens on a free port of the loopback address; what comes goes to a file. */
    static RawReceiver start(String program, Path file) {
        if (program.equals("socat")) {
            SluiceProcess socat = SluiceProcess.program(
                    new ProcessBuilder("socat", "-d", "-d", "-u", "TCP-LISTEN:0,bind=127.0.0.1", "CREATE:" + file));
            return new RawReceiver(
                    socat,
                    file,
                    Integer.parseInt(socat.awaitErr("listening on .*:(\\d+)$").group(1)));
        }
        int port = SluiceProcess.freePort();
        ProcessBuilder nc = new ProcessBuilder("nc", "-d", "-l", "127.0.0.1", Integer.toString(port));
        return new RawReceiver(SluiceProcess.program(nc.redirectOutput(file.toFile())), file, port);
    }

    static RawReceiver start(Path file) {
        return start(installed().getFirst(), file);
    }

    String address() {
        return "127.0.0.1:" + port;
    }

    /** Waits for the end of the connection; the hash of all that came. */
    String sha256() {
        assertThat(process.end().exit()).as("exit status of %s", process).isZero();
        return sha256(file);
    }

    static String sha256(Path file) {
        try (var in = Files.newInputStream(file)) {
            MessageDigest digest = newSha256();
            byte[] buffer = new byte[1 << 20];
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
            }
            return hex(digest);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static MessageDigest newSha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    static String hex(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest());
    }

    @Override
    public void close() {
        process.close();
    }
}
