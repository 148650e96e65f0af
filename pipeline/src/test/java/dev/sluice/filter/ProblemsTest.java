// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigOrigin;
import com.typesafe.config.ConfigOriginFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ProblemsTest {

    private final Problems problems = new Problems();
    private final ConfigOrigin file = ConfigOriginFactory.newFile("/etc/a.conf");

    private List<String> lines() {
        return problems.sorted().stream().map(Problems.Problem::toString).toList();
    }

    @Test
    void areToldInTheOrderOfTheFileAndThoseOfTheWholeFileFirst() {
        problems.add(file.withLineNumber(12), "twelve");
        problems.add(file.withLineNumber(3), "three");
        problems.add(file, "whole");
        problems.add(file.withLineNumber(3), "also three");
        assertThat(lines())
                .containsExactly(
                        "/etc/a.conf: whole",
                        "/etc/a.conf:3: three",
                        "/etc/a.conf:3: also three",
                        "/etc/a.conf:12: twelve");
    }

    @Test
    void theSameIsToldOnce() {
        problems.add(file.withLineNumber(3), "three");
        problems.add(file.withLineNumber(3), "three");
        assertThat(lines()).containsExactly("/etc/a.conf:3: three");
    }

    @Test
    void aTextThatIsNoFileIsNamedByItsDescription() {
        problems.add(ConfigOriginFactory.newSimple("the demo"), "wrong");
        assertThat(lines()).containsExactly("the demo: wrong");
    }

    @Test
    void theLineOfATextThatIsNoFileIsToldOnce() {
        problems.add(ConfigOriginFactory.newSimple("the demo").withLineNumber(3), "wrong");
        assertThat(lines()).containsExactly("the demo:3: wrong");
    }

    @Test
    void areToldInTheOrderOfTheLine() {
        problems.source("the demo", "a = 1, b = 2");
        ConfigOrigin line = ConfigOriginFactory.newSimple("the demo").withLineNumber(1);
        problems.add(line, "b", "second");
        problems.add(line, "a", "first");
        assertThat(lines()).containsExactly("the demo:1:1: first", "the demo:1:8: second");
    }

    @Test
    void theColumnIsLookedUpInTheFile(@TempDir Path folder) throws Exception {
        Path path = Files.writeString(folder.resolve("a.conf"), "\n  # größe\n\tgröße = 3, colour = red\r\n");
        ConfigOrigin line = ConfigOriginFactory.newFile(path.toString()).withLineNumber(3);
        problems.add(line, "whole line");
        problems.addKey(line, List.of("sluice", "colour"), "key");
        problems.addValue(line, List.of("sluice", "colour"), "red", "value");
        problems.add(line.withLineNumber(1), "blank line");
        problems.add(line.withLineNumber(99), "no line");
        assertThat(lines())
                .containsExactly(
                        path + ":1:1: blank line",
                        path + ":3:2: whole line",
                        path + ":3:13: key",
                        path + ":3:22: value",
                        path + ":99:1: no line");
    }

    @Test
    void aFileThatCannotBeReadHasNoColumns(@TempDir Path folder) throws Exception {
        Path binary = Files.write(folder.resolve("a.conf"), new byte[] {(byte) 0xff, (byte) 0xfe, 'a'});
        problems.add(ConfigOriginFactory.newFile(binary.toString()).withLineNumber(1), "a", "wrong");
        problems.add(ConfigOriginFactory.newFile(folder.toString()).withLineNumber(2), "a", "wrong");
        problems.add(ConfigOriginFactory.newSimple("nul \0 in it").withLineNumber(3), "a", "wrong");
        assertThat(lines()).containsExactly(binary + ":1: wrong", folder + ":2: wrong", "nul \0 in it:3: wrong");
    }

    @Test
    void isEmptyUntilThereIsOne() {
        assertThat(problems.isEmpty()).isTrue();
        problems.add(file, "wrong");
        assertThat(problems.isEmpty()).isFalse();
    }

    @Test
    void aSuggestionIsTheNearestWordOrNone() {
        List<String> words = List.of("transport", "framing", "connect");
        assertThat(Problems.suggestion("transprot", words)).isEqualTo(" (did you mean \"transport\"?)");
        assertThat(Problems.suggestion("conect", words)).isEqualTo(" (did you mean \"connect\"?)");
        assertThat(Problems.suggestion("Framing", words)).isEqualTo(" (did you mean \"framing\"?)");
        assertThat(Problems.suggestion("colour", words)).isEmpty();
        assertThat(Problems.suggestion("framing", List.of())).isEmpty();
        assertThat(Problems.suggestion("w", List.of("a", "ab")))
                .as("nothing is alike")
                .isEmpty();
        assertThat(Problems.suggestion("abc", List.of("abx", "abcd"))).isEqualTo(" (did you mean \"abx\"?)");
    }
}
