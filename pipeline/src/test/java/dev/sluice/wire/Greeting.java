// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Collection;

/** What the ends of a connection say before the first frame, for tests that are one of them. */
public final class Greeting {

    /** Every type of header that a sender may send between frames. */
    public static final int FROM_SENDER =
            1 << Header.TYPE_FRAME | 1 << Header.TYPE_END | 1 << Header.TYPE_KEEP_ALIVE | 1 << Header.TYPE_BYE;

    private Greeting() {}

    /**
     * As a receiver that wants all there is: answers the HELLOs. Nothing, if the sender does not want to talk.
     *
     * @return how many streams it has
     */
    public static int answer(Socket socket) throws IOException {
        return answer(socket, new Progress(true, false, Place.START, 0, 0));
    }

    /** As a receiver that has this much of each stream. */
    public static int answer(Socket socket, Progress progress) throws IOException {
        InputStream in = socket.getInputStream();
        byte[] bytes = new byte[Header.BYTES];
        Header header = new Header(MemorySegment.ofArray(bytes));
        ByteArrayOutputStream welcome = new ByteArrayOutputStream();
        int streams = 1;
        for (int heard = 0; heard < streams; heard++) {
            if (in.readNBytes(bytes, 0, bytes.length) < bytes.length) {
                return 0;
            }
            header.validate(1 << Header.TYPE_HELLO);
            streams = header.streams();
            header.progress(Header.TYPE_WELCOME, header.stream(), progress);
            welcome.writeBytes(bytes.clone());
        }
        socket.getOutputStream().write(welcome.toByteArray());
        return streams;
    }

    /** As a receiver that has read the ENDs of these streams. */
    public static void finish(Socket socket, Collection<Integer> streams) throws IOException {
        byte[] bytes = new byte[Header.BYTES];
        Header header = new Header(MemorySegment.ofArray(bytes));
        for (int stream : streams) {
            header.progress(Header.TYPE_ACK, stream, new Progress(false, true, Place.START, 0, 0));
            socket.getOutputStream().write(bytes);
        }
    }

    /** As an end that may have the key; what the other end sent meanwhile, to its last byte. */
    public static byte[] authenticate(Socket socket, Authentication authentication) throws IOException {
        ByteArrayOutputStream heard = new ByteArrayOutputStream();
        byte[] bytes = new byte[Header.BYTES];
        Header header = new Header(MemorySegment.ofArray(bytes));
        socket.getOutputStream().write(authentication.begin());
        while (!authentication.done()) {
            int got = socket.getInputStream().readNBytes(bytes, 0, bytes.length);
            heard.write(bytes, 0, got);
            if (got < bytes.length) {
                break;
            }
            socket.getOutputStream().write(authentication.take(header));
        }
        return heard.toByteArray();
    }

    /** A file with this key that only its owner can read. */
    public static KeyFile keyFile(Path file, String key) throws IOException {
        Files.writeString(file, key + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        return new KeyFile(file);
    }

    /** The HELLO of a sender with one stream, numbered 0. */
    public static byte[] hello(long identity) {
        byte[] bytes = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(bytes)).hello(0, 1, 0, identity, Place.START, Duration.ofSeconds(15));
        return bytes;
    }
}
