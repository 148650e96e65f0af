// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.linux.Libc;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class KeyFileTest {

    private static final String KEY = "0123456789abcdef0123456789abcdef";

    @TempDir
    private Path folder;

    private KeyFile file(String content) throws IOException {
        return file(content, "rw-------");
    }

    private KeyFile file(String content, String permissions) throws IOException {
        Path file = Files.writeString(folder.resolve("key"), content);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
        return new KeyFile(file);
    }

    private void assertRefused(KeyFile file, String why) {
        assertThatThrownBy(file::read)
                .isInstanceOf(IOException.class)
                .hasMessage("the key file " + file.path() + " "
                        + why.replace("FILE", file.path().toString()));
    }

    @ParameterizedTest
    @CsvSource({"'', ''", "'\n', ''", "'\n\n', '\n'", "'\r\n', '\r'"})
    void allIsTheKeyButOneNewLineAtTheEnd(String ending, String kept) throws IOException {
        assertThat(file(KEY + ending).read())
                .asString(StandardCharsets.US_ASCII)
                .isEqualTo(KEY + kept);
    }

    @ParameterizedTest
    @ValueSource(strings = {"rw-------", "r--------", "rwx------"})
    void whatOnlyItsOwnerCanOpenIsTaken(String permissions) throws IOException {
        assertThat(file(KEY, permissions).read()).hasSize(32);
    }

    @ParameterizedTest
    @ValueSource(strings = {"rw-r-----", "rw--w----", "rw---x---", "rw----r--", "rw-----w-", "rw------x", "rw-r--r--"})
    void whatOthersCanOpenIsRefused(String permissions) throws IOException {
        assertRefused(file(KEY, permissions), "is open to others than its owner; chmod 600 FILE");
    }

    @Test
    void whatBelongsToSomebodyElseIsRefused() throws IOException {
        assumeTrue(Libc.effectiveUser() == 0, "root can give files away");
        KeyFile file = file(KEY);
        Files.setAttribute(file.path(), "unix:uid", 65534);
        String owner = Files.getOwner(file.path()).getName();
        assertRefused(
                file,
                "belongs to " + owner
                        + ", who could replace it; it must belong to the user that Sluice runs as, or to root");
    }

    @Test
    void whatIsNoFileIsRefused() {
        assertRefused(new KeyFile(folder), "is not a regular file");
        assertRefused(
                new KeyFile(folder.resolve("none")),
                "does not exist; make one: head -c 32 /dev/urandom | base64 > FILE; chmod 600 FILE");
        assertRefused(new KeyFile(Path.of("/dev/zero")), "is not a regular file");
    }

    @Test
    void aKeyHas32To4096Bytes() throws IOException {
        assertThat(file("k".repeat(4096) + "\n").read()).hasSize(4096);
        assertRefused(
                file("k".repeat(31) + "\n"),
                "holds 31 bytes, fewer than the 32 that a key needs; make one: head -c 32 /dev/urandom | base64 > FILE; "
                        + "chmod 600 FILE");
        for (int bytes : new int[] {4097, 1 << 20}) {
            assertRefused(
                    file("k".repeat(bytes)),
                    "holds more than 4096 bytes: is it the right file? make one: head -c 32 /dev/urandom | base64 > FILE; "
                            + "chmod 600 FILE");
        }
    }

    @Test
    void theKeyIsNotPrintedAndAFileIsTheSameByItsPath() throws IOException {
        assertThat(file(KEY)).hasToString("KeyFile[path=" + folder.resolve("key") + "]");
        assertThat(file(KEY)).isEqualTo(file(KEY + KEY));
    }
}
