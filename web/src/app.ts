// What pages do beyond being read. Every page is whole without it.
import { find } from "./find";
import { jump } from "./jump";
import { keys } from "./keys";
import { live } from "./live";
import { theme } from "./theme";
import { times } from "./times";

theme();
times();
live();
find();
jump();
keys();
